"""One payload in many forms, and clean requests as real clients write them."""
import ctypes
import gzip
import time
import zlib

from rig_client import request

XSS = "<script>alert(1)</script>"
SQLI = "1' or 1=1 union select password from users-- -"
# The same in JSON escapes, in percent escapes, in entities.
SQLI_JSON = SQLI.replace("'", "\\u0027")
SQLI_FORM = "1%27+or+1=1+union+select+password+from+users--+-"
SQLI_XML = SQLI.replace("'", "&#39;")
XSS_FORM = "%3Cscript%3Ealert(1)%3C/script%3E"

FORM, JSON, XML, TEXT = "application/x-www-form-urlencoded", "application/json", "text/xml", "text/plain"
MULTIPART = "multipart/form-data; boundary=xyz"


def post(target, media, body, *fields, method="POST"):
    """`media` None: no Content-Type."""
    body = body.encode() if isinstance(body, str) else body
    types = ["Content-Type: " + media] if media is not None else []
    return request(target, "shop.example.com", *types, *fields, method=method, body=body)


def parts(*each, boundary="xyz", end="\r\n"):
    """Parts are (lines of the header, content)."""
    lines = "".join("--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, content) for head, content in each)
    return (lines + "--%s--%s" % (boundary, end)).encode()


def field(name, *more):
    return "\r\n".join(('Content-Disposition: form-data; name="%s"' % name,) + more)


def file(name, filename, *more):
    return "\r\n".join(('Content-Disposition: form-data; name="%s"; filename="%s"' % (name, filename),) + more)


# ---- Content codings ----

def deflate_bare(data):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def _library(name):
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


_brotli, _zstd = _library("libbrotlienc.so.1"), _library("libzstd.so.1")


def brotli(data):
    out = ctypes.create_string_buffer(len(data) + 1024)
    n = ctypes.c_size_t(len(out))
    assert _brotli.BrotliEncoderCompress(5, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(n), out)
    return out.raw[:n.value]


def zstd(data):
    _zstd.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(len(data) + 1024)
    n = _zstd.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:n]


CODINGS = {"gzip": ("gzip", gzip.compress), "x-gzip": ("x-gzip", gzip.compress), "zlib": ("deflate", zlib.compress),
           "deflate as it is": ("deflate", deflate_bare)}
if _brotli:
    CODINGS["brotli"] = ("br", brotli)
if _zstd:
    CODINGS["zstd"] = ("zstd", zstd)
