/* xml_body.c -- fuzz: XML content that is accepted is well-formed to libxml2, which the rule engine reads it with, and
 * has no document type, no entity of anybody's own and no other encoding than UTF-8, not even when libxml2
 * forgives; and every attribute, comment and instruction that libxml2 finds was told to the rules. */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>

#include "fuzz.h"
#include "rules/body.h"

static unsigned types, entities;

static void on_subset(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	(void)context, (void)name, (void)external, (void)system;
	types++;
}

static void on_entity(void *context, const xmlChar *name, int type, const xmlChar *public, const xmlChar *system, xmlChar *content)
{
	(void)context, (void)name, (void)type, (void)public, (void)system, (void)content;
	entities++;
}

static void quiet(void *context, const char *fmt, ...)
{
	(void)context, (void)fmt;
}

/* But for white space: libxml2 makes one line end of any, and a space of that in an attribute. */
static bool same_words(struct slice a, struct slice b)
{
	for (;; a = slice_after(a, 1), b = slice_after(b, 1)) {
		while (a.len && strchr(" \t\r\n", a.at[0]))
			a = slice_after(a, 1);
		while (b.len && strchr(" \t\r\n", b.at[0]))
			b = slice_after(b, 1);
		if (!a.len || !b.len || a.at[0] != b.at[0])
			return !a.len && !b.len;
	}
}

/* What could be a payload: numbers, dates and single words are not told. */
static void check_told(const xmlChar *text, const struct extras *told)
{
	uint32_t i = 0;

	if (!text || !strpbrk((const char *)text, "<>'\"();=&|$`"))
		return;
	while (i < told->n && !same_words(told->at[i].value, slice_of((const char *)text)))
		i++;
	MUST(i < told->n);
}

static void check_tree(const xmlNode *node, const struct extras *told)
{
	for (; node; node = node->next) {
		if (node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE)
			check_told(node->content, told);
		for (const xmlAttr *a = node->type == XML_ELEMENT_NODE ? node->properties : NULL; a; a = a->next) {
			xmlChar *value = xmlNodeListGetString(node->doc, a->children, 1);

			check_told(value, told);
			xmlFree(value);
		}
		check_tree(node->type == XML_ELEMENT_NODE ? node->children : NULL, told);
	}
}

static void read_with(struct slice body, int options, const struct extras *told, bool ascii)
{
	xmlParserCtxtPtr c = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, NULL);

	MUST(c);
	xmlCtxtUseOptions(c, options | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	c->sax->internalSubset = on_subset;
	c->sax->externalSubset = on_subset;
	c->sax->entityDecl = on_entity;
	xmlParseChunk(c, body.at, (int)body.len, 0);
	xmlParseChunk(c, NULL, 0, 1);
	MUST(!types && !entities);
	MUST(!c->encoding || !strcasecmp((const char *)c->encoding, "utf-8"));
	MUST(!c->input || !c->input->buf || !c->input->buf->encoder || !strcasecmp(c->input->buf->encoder->name, "utf-8"));
	/* Which letters beyond ASCII may be in a name is libxml2's to say: the engine then refuses. */
	MUST(c->wellFormed || !ascii);
	if (c->wellFormed)
		check_tree(c->myDoc->children, told);
	xmlFreeDoc(c->myDoc);
	xmlFreeParserCtxt(c);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	xmlSetGenericErrorFunc(NULL, quiet);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct body_limits limits = {1000, 200, 10};
	struct slice body = fuzz_in(bytes, n).rest;
	struct extras told = {.most = 1000};
	struct body_fault fault;
	struct arena a;
	bool ascii = true;

	if (!body.len)
		return 0;
	arena_init(&a, NULL, 4096);
	told.arena = &a;
	fault = body_xml(body, &limits, &told);
	MUST(fault.at <= body.len && told.n <= told.most);
	for (size_t i = 0; i < body.len; i++)
		ascii = ascii && (unsigned char)body.at[i] < 0x80;
	if (!fault.why) {
		read_with(body, 0, &told, ascii);
		read_with(body, XML_PARSE_NOENT | XML_PARSE_HUGE | XML_PARSE_RECOVER, &told, ascii);
	}
	arena_done(&a);
	return 0;
}
