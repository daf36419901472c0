/* why.c -- OpenSSL's error queue as one short reason. */
#include <errno.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "gateway/tls/inner.h"

static const struct {
	int reason;
	const char *says;
} reasons[] = {
	{SSL_R_NO_SHARED_CIPHER, "no cipher suite in common"},
	{SSL_R_UNSUPPORTED_PROTOCOL, "the client offers only TLS versions that are off"},
	{SSL_R_VERSION_TOO_LOW, "the client offers only TLS versions that are off"},
	{SSL_R_NO_APPLICATION_PROTOCOL, "no application protocol in common"},
	{SSL_R_NO_SUITABLE_KEY_SHARE, "no key exchange group in common"},
	{SSL_R_NO_SHARED_GROUPS, "no key exchange group in common"},
	{SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "no signature algorithm in common"},
	{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no signature algorithm in common"},
	{SSL_R_INAPPROPRIATE_FALLBACK, "the client fell back to an older version than it can"},
	{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client shows no certificate"},
	{SSL_R_EXCESSIVE_MESSAGE_SIZE, "a message is larger than any good one"},
	{SSL_R_HTTP_REQUEST, "plain HTTP"},
	{SSL_R_HTTPS_PROXY_REQUEST, "plain HTTP (CONNECT)"},
	{SSL_R_WRONG_VERSION_NUMBER, "not TLS"},
	{SSL_R_UNEXPECTED_EOF_WHILE_READING, "closed without close_notify"},
	{SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record does not authenticate"},
	{SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not trust the certificate's issuer"},
	{SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer refuses the certificate"},
	{SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer refuses the certificate"},
	{SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the peer finds the certificate expired"},
	{SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the peer refuses what was offered"},
	{SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the peer refuses the TLS version"},
};

static const char *reason_text(unsigned long e)
{
	const char *says;

	if (ERR_GET_LIB(e) == ERR_LIB_SSL)
		for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
			if (reasons[i].reason == ERR_GET_REASON(e))
				return reasons[i].says;
	says = ERR_reason_error_string(e);
	return says ? says : "unknown TLS failure";
}

void tls_queue_clear(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

const char *tls_queue_reason(void)
{
	unsigned long e = ERR_peek_last_error();

	ERR_clear_error();
	return e ? reason_text(e) : "unknown failure";
}

const char *tls_reason(const struct tls *t)
{
	unsigned long e = ERR_peek_error();
	long verify = SSL_get_verify_result(t->ssl);

	ERR_clear_error();
	if (t->renegotiated)
		return "the peer asked for renegotiation";
	if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return X509_verify_cert_error_string(verify);
	if (t->lost)
		return t->lost == ECONNRESET || t->lost == EPIPE ? "connection reset" : "socket failure";
	if (e)
		return reason_text(e);
	return t->ended ? "closed without close_notify" : "unknown TLS failure";
}
