# page.awk -- a man page's source with the program's own reference in it.
#
#   awk -v program=PORTCULLIS -f page.awk PAGE.scd | scdoc > PAGE
#
# A line "@reference WHICH@" is replaced by what "PORTCULLIS reference WHICH" prints from its tables, as scdoc: so
# a page cannot say anything else than the program does.  Not a Markdown reader: it knows the four shapes that the
# reference has (a table row, a heading, a code span, a paragraph).

# Text in which nothing means anything to scdoc.
function plain(text) {
	gsub(/[\\*_`]/, "\\\\&", text)
	return text
}

# `code` becomes bold; the rest is plain.
function spans(text,    n, i, part, out) {
	n = split(text, part, "`")
	for (i = 1; i <= n; i++)
		out = out (i % 2 ? plain(part[i]) : "*" plain(part[i]) "*")
	return out
}

function trimmed(text) {
	gsub(/^ +| +$/, "", text)
	return text
}

# | `key` | type | default | meaning |
function row(line,    cell, i, says) {
	gsub(/\\\|/, "\001", line)
	split(line, cell, "|")
	for (i = 2; i <= 5; i++) {
		gsub(/\001/, "|", cell[i])
		cell[i] = trimmed(cell[i])
	}
	says = cell[4] == "" ? "" : cell[4] == "required" ? "; required" : "; " spans(cell[4]) " if absent"
	# Of three dots at the beginning of a line scdoc writes two.
	sub(/^\.\.\./, "…", cell[5])
	print spans(cell[2]) " (" spans(cell[3]) says ")\n\t" spans(cell[5]) "\n"
}

# All before the first table is an introduction, which the page has of its own.
function reference(which,    command, line, begun) {
	command = program " reference " which
	while ((command | getline line) > 0) {
		if (line ~ /^\| key \|/)
			begun = 1
		else if (!begun || line ~ /^\|-/ || line == "")
			continue
		else if (line ~ /^\| `/)
			row(line)
		else if (sub(/^### /, "", line))
			print "## " plain(bare(line)) "\n"
		else
			print spans(line) "\n"
	}
	if (close(command) != 0 || !begun) {
		print "page.awk: no reference comes from: " command > "/dev/stderr"
		exit 1
	}
}

function bare(text) {
	gsub(/`/, "", text)
	return text
}

/^@reference [a-z]+@$/ {
	reference(substr($2, 1, length($2) - 1))
	next
}
{ print }
