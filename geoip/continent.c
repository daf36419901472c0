/* continent.c -- the countries of ISO 3166-1, and Kosovo, by continent.
 *
 * This is also the list of what is a country at all.  Where a country lies on two
 * continents the choice is that of GeoNames, which most databases share. */
#include <stddef.h>
#include <string.h>

#include "geoip/geoip.h"

static const struct {
	char continent[3];
	const char *countries; /* two letters each, without anything between */
} table[] = {
	{"AF", "AOBFBIBJBWCDCFCGCICMCVDJDZEGEHERETGAGHGMGNGQGWKEKMLRLSLYMAMGMLMRMUMWMZNANENGRERWSCSDSHSLSNSOSSSTSZTDTGTNTZUGYTZAZMZW"},
	{"AN", "AQBVGSHMTF"},
	{"AS", "AEAFAMAZBDBHBNBTCCCNGEHKIDILINIOIQIRJOJPKGKHKPKRKWKZLALBLKMMMNMOMVMYNPOMPHPKPSQASASGSYTHTJTMTRTWUZVNYE"},
	{"EU", "ADALATAXBABEBGBYCHCYCZDEDKEEESFIFOFRGBGGGIGRHRHUIEIMISITJELILTLULVMCMDMEMKMTNLNOPLPTRORSRUSESISJSKSMUAVAXK"},
	{"NA", "AGAIAWBBBLBMBQBSBZCACRCUCWDMDOGDGLGPGTHNHTJMKNKYLCMFMQMSMXNIPAPMPRSVSXTCTTUSVCVGVI"},
	{"OC", "ASAUCKCXFJFMGUKIMHMPNCNFNRNUNZPFPGPNPWSBTKTLTOTVUMVUWFWS"},
	{"SA", "ARBOBRCLCOECFKGFGYPEPYSRUYVE"},
};

const char *geoip_continent(const char country[3])
{
	/* By both letters: one more than the index into the table, 0 for no country. */
	static unsigned char known[26][26];

	if (!known[0][3]) /* Andorra */
		for (size_t i = 0; i < sizeof table / sizeof *table; i++)
			for (const char *c = table[i].countries; *c; c += 2)
				known[c[0] - 'A'][c[1] - 'A'] = (unsigned char)(i + 1);
	if (country[0] < 'A' || country[0] > 'Z' || country[1] < 'A' || country[1] > 'Z' || country[2])
		return NULL;
	if (!known[country[0] - 'A'][country[1] - 'A'])
		return NULL;
	return table[known[country[0] - 'A'][country[1] - 'A'] - 1].continent;
}
