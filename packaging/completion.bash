# Completion of portcullis for bash: the commands that its help names, and files after options.
_portcullis() {
	local word=${COMP_WORDS[COMP_CWORD]}

	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(portcullis --help | sed -n 's/^  portcullis \([a-z-]*\).*/\1/p')" -- "$word")
	elif [ "$COMP_CWORD" = 2 ] && [ "${COMP_WORDS[1]}" = geoip ]; then
		mapfile -t COMPREPLY < <(compgen -W 'build lookup' -- "$word")
	elif [ "$COMP_CWORD" = 2 ] && [[ ${COMP_WORDS[1]} =~ ^(schema|reference)$ ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'config policy' -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -F _portcullis portcullis
