"""What a storage says when it refuses, as words for the user: what is wrong and what to do."""

from __future__ import annotations

import errno
import os
from typing import Any

from labelsieve.core.errors import Unreachable, first_line

_NAMED = "check AWS_ENDPOINT_URL and the network"
_AGAIN = "then run the same command again"
# Codes of S3 and names of exceptions (of botocore and aiohttp) that every other file would meet too.
_EVERYWHERE = {
    "NoSuchBucket": "there is no such bucket; check its name and AWS_ENDPOINT_URL",
    "ExpiredToken": f"the credentials have expired; renew them, {_AGAIN}",
    "ExpiredTokenException": f"the credentials have expired; renew them, {_AGAIN}",
    "TokenRefreshRequired": f"the credentials have expired; renew them, {_AGAIN}",
    "UnauthorizedSSOTokenError": f"the credentials have expired; renew them (aws sso login), {_AGAIN}",
    "SSOTokenLoadError": f"the credentials have expired; renew them (aws sso login), {_AGAIN}",
    "InvalidAccessKeyId": "the server does not know AWS_ACCESS_KEY_ID; check the credentials",
    "InvalidClientTokenId": "the server does not know AWS_ACCESS_KEY_ID; check the credentials",
    "AuthFailure": "the server does not know AWS_ACCESS_KEY_ID; check the credentials",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not fit AWS_ACCESS_KEY_ID; check the credentials",
    "InvalidToken": "AWS_SESSION_TOKEN does not fit AWS_ACCESS_KEY_ID; check the credentials",
    "NoCredentialsError": "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "PartialCredentialsError": "of the credentials one is missing; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "CredentialRetrievalError": "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "the profile that AWS_PROFILE names does not exist",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "PermanentRedirect": "the bucket is in another region; set AWS_DEFAULT_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set AWS_DEFAULT_REGION",
    "IllegalLocationConstraintException": "the bucket is in another region; set AWS_DEFAULT_REGION",
    "EndpointConnectionError": f"the server does not answer; {_NAMED}",
    "ConnectionClosedError": f"the server closed the connection; {_NAMED}",
    "ConnectTimeoutError": f"the server does not answer; {_NAMED}",
    "ReadTimeoutError": f"the server does not answer; {_NAMED}",
    "FSTimeoutError": f"the server does not answer; {_NAMED}",
    "ClientConnectorError": f"the server does not answer; {_NAMED}",
    "ClientConnectorDNSError": f"the server does not answer; {_NAMED}",
    "HTTPClientError": f"the server does not answer; {_NAMED}",
    "ResponseParserError": f"the server does not speak S3; {_NAMED}",
    "SSLError": f"the server has no certificate that this machine trusts; {_NAMED}",
    "InvalidEndpointURLError": "AWS_ENDPOINT_URL is not an address; it should be like https://s3.example.com",
    "MissingContentLength": (
        "the server wants to know the length of what is written first (411); set "
        "AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
    ),
    "SlowDown": f"the server asks for fewer requests; wait a little, {_AGAIN}",
    "ServiceUnavailable": f"the server is overloaded; wait a little, {_AGAIN}",
    "QuotaExceeded": "the storage is full",
    "XMinioStorageFull": "the storage is full",
}
_EVERYWHERE |= {"411": _EVERYWHERE["MissingContentLength"]}
_HERE = {
    "AccessDenied": "no rights; the credentials need s3:ListBucket and s3:GetObject, and s3:PutObject to write",
    "AllAccessDisabled": "no rights; the credentials need s3:ListBucket and s3:GetObject, and s3:PutObject to write",
    "NoSuchKey": "there is no such file",
    "InvalidObjectState": "it is archived (Glacier); restore it first",
}
_HERE |= {"403": _HERE["AccessDenied"], "Forbidden": _HERE["AccessDenied"], "404": _HERE["NoSuchKey"]}


def storage_error(path: str, error: BaseException) -> OSError:
    """The error of a storage as an OSError, whose text is for the user.

    Raises:
        Unreachable: the storage itself fails, so that it is useless to try other files.
    """
    if isinstance(error, Unreachable):
        raise error
    for code in _codes(error):
        if code in _EVERYWHERE:
            why = _EVERYWHERE[code]
            if path.startswith(("http://", "https://")):  # no storage with credentials
                why = why.replace(_NAMED, "check the address and the network; a file that you downloaded is read too")
            raise Unreachable(f"{path} cannot be reached: {why}.") from error
        if code in _HERE and code not in ("NoSuchKey", "404"):
            return OSError(_HERE[code])
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(_HERE["NoSuchKey"])
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return OSError(error.errno, os.strerror(error.errno), error.filename or path)
    return OSError(first_line(error).rstrip("."))


def _codes(error: BaseException | None) -> list[str]:
    """The names of the error and of its causes, and the codes in what S3 answered."""
    codes = []
    while error is not None:
        response: Any = getattr(error, "response", None)
        if isinstance(response, dict):
            codes.append(str(response.get("Error", {}).get("Code")))
            codes.append(str(response.get("ResponseMetadata", {}).get("HTTPStatusCode")))
        codes.append(type(error).__name__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return codes
