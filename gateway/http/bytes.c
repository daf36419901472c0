/* bytes.c -- the tables of bytes.h. */
#include "gateway/http/bytes.h"

#define SAME(c) [c] = c
#define LETTER(c) [c] = (c) | 0x20, [(c) | 0x20] = (c) | 0x20

const uint8_t bytes_token[256] = {
	SAME('!'), SAME('#'), SAME('$'), SAME('%'), SAME('&'), SAME('\''), SAME('*'), SAME('+'), SAME('-'), SAME('.'),
	SAME('^'), SAME('_'), SAME('`'), SAME('|'), SAME('~'),
	SAME('0'), SAME('1'), SAME('2'), SAME('3'), SAME('4'), SAME('5'), SAME('6'), SAME('7'), SAME('8'), SAME('9'),
	LETTER('A'), LETTER('B'), LETTER('C'), LETTER('D'), LETTER('E'), LETTER('F'), LETTER('G'), LETTER('H'),
	LETTER('I'), LETTER('J'), LETTER('K'), LETTER('L'), LETTER('M'), LETTER('N'), LETTER('O'), LETTER('P'),
	LETTER('Q'), LETTER('R'), LETTER('S'), LETTER('T'), LETTER('U'), LETTER('V'), LETTER('W'), LETTER('X'),
	LETTER('Y'), LETTER('Z'),
};

const uint8_t bytes_class[256] = {
	['0' ... '9'] = BYTE_PATH | BYTE_HOST | BYTE_NAME,
	['A' ... 'Z'] = BYTE_PATH | BYTE_HOST | BYTE_NAME,
	['a' ... 'z'] = BYTE_PATH | BYTE_HOST | BYTE_NAME,
	['-'] = BYTE_PATH | BYTE_HOST | BYTE_NAME,
	['.'] = BYTE_PATH | BYTE_HOST,
	['_'] = BYTE_PATH | BYTE_HOST,
	['~'] = BYTE_PATH,
	['!'] = BYTE_PATH,
	['$'] = BYTE_PATH,
	['&'] = BYTE_PATH,
	['\''] = BYTE_PATH,
	['('] = BYTE_PATH,
	[')'] = BYTE_PATH,
	['*'] = BYTE_PATH,
	['+'] = BYTE_PATH,
	[','] = BYTE_PATH,
	['='] = BYTE_PATH,
	[':'] = BYTE_PATH,
	['@'] = BYTE_PATH,
	['/'] = BYTE_PATH,
};

bool bytes_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!bytes_token[(unsigned char)s.at[i]])
			return false;
	return s.len > 0;
}
