"""The certificate with which a cluster's nodes encrypt what passes between them."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta, timezone

from orchard.aws.account import Account, code_of
from orchard.errors import ConfigError

KEY = "code/certificates.zip"
DAYS = 365
RENEWED_AFTER = 30  # days; a cluster lives half a day at most
BITS = 2048  # EMR's documentation asks for RSA of at least this


def store(account: Account, bucket: str) -> None:
    """Put new ones into the bucket, unless recent ones are there: a cluster may be running.

    A node that joins it later must have those that the others have.
    """
    if not _is_recent(account, bucket):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in certificates().items():
                archive.writestr(name, content)
        account.client("s3").put_object(Bucket=bucket, Key=KEY, Body=buffer.getvalue())


def _is_recent(account: Account, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        made = account.client("s3").head_object(Bucket=bucket, Key=KEY)["LastModified"]
    except ClientError as error:
        if code_of(error) == "404":
            return False
        raise
    return bool(datetime.now(timezone.utc) - made < timedelta(days=RENEWED_AFTER))


def certificates() -> dict[str, bytes]:
    """privateKey.pem and certificateChain.pem as EMR's PEM provider takes them; self-signed, new.

    Raises ConfigError without the extra that brings the library.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.x509.oid import NameOID
    except ImportError:
        raise ConfigError(
            "--backend ec2 encrypts between the nodes and needs a library for certificates: "
            "pip install 'orchard-images[aws]'"
        ) from None
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    # The wildcard that EMR's documentation gives for nodes in a VPC with Amazon's names.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "*.compute.internal")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.compute.internal")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem, chain = serialization.Encoding.PEM, certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "privateKey.pem": private,
        "certificateChain.pem": chain,
        "trustedCertificates.pem": chain,
    }
