"""A throw-away PKI for one test session: real CAs, real keys, real certificates."""
import base64
import datetime
import hashlib
import ipaddress
import itertools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_serials = itertools.count(1000)


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _now():
    return datetime.datetime.utcnow()


class Identity:
    """A certificate with its key, and the files that clients want."""

    def __init__(self, folder, name, cert, key, chain=()):
        self.name, self.cert, self.key, self.chain = name, cert, key, tuple(chain)
        self.cert_pem = cert.public_bytes(serialization.Encoding.PEM).decode()
        self.chain_pem = "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in self.chain)
        self.key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        safe = "".join(c if c.isalnum() else "-" for c in name)
        self.cert_file = folder / f"{safe}-{cert.serial_number}.crt"
        self.key_file = folder / f"{safe}-{cert.serial_number}.key"
        self.cert_file.write_text(self.cert_pem + self.chain_pem)
        self.key_file.write_text(self.key_pem)

    @property
    def der(self):
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def spki_der(self):
        return self.cert.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def certificate_hash(self):
        return hashlib.sha256(self.der).hexdigest()

    @property
    def spki_hash(self):
        return base64.b64encode(hashlib.sha256(self.spki_der).digest()).decode()

    @property
    def client_cert_header(self):
        return ":" + base64.b64encode(self.der).decode() + ":"


class Ca(Identity):
    def __init__(self, folder, name, cert, key, chain=()):
        super().__init__(folder, name, cert, key, chain)
        self.folder = folder

    def issue(self, name, *, key=None, key_type="ec", dns=(), uris=(), ips=(), eku=(ExtendedKeyUsageOID.CLIENT_AUTH,), days=30,
              not_before=None, not_after=None, ca=False, serial=None, signature=None, chain=None):
        key = key or make_key(key_type)
        start = not_before or _now() - datetime.timedelta(hours=1)
        end = not_after or _now() + datetime.timedelta(days=days)
        builder = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(self.cert.subject)
                   .public_key(key.public_key()).serial_number(serial or next(_serials))
                   .not_valid_before(start).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                                  critical=False))
        if ca:
            builder = builder.add_extension(_key_usage(ca=True), critical=True)
        else:
            builder = builder.add_extension(_key_usage(ca=False), critical=True)
            if eku:
                builder = builder.add_extension(x509.ExtendedKeyUsage(list(eku)), critical=False)
        if dns or uris or ips:
            names = [x509.DNSName(d) for d in dns] + [x509.UniformResourceIdentifier(u) for u in uris]
            names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        cert = builder.sign(self.key, signature or hashes.SHA256())
        above = (self.cert, *self.chain) if chain is None else chain
        if ca:
            return Ca(self.folder, name, cert, key, above[:-1] if self._is_root() else above)
        return Identity(self.folder, name, cert, key, () if self._is_root() else above)

    def _is_root(self):
        return self.cert.issuer == self.cert.subject

    def intermediate(self, name):
        issued = self.issue(name, ca=True)
        return Ca(self.folder, name, issued.cert, issued.key, () if self._is_root() else (self.cert, *self.chain))

    def crl(self, revoked=(), days=7, last_update=None):
        start = last_update or _now() - datetime.timedelta(hours=1)
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.cert.subject)
                   .last_update(start).next_update(start + datetime.timedelta(days=days))
                   .add_extension(x509.CRLNumber(next(_serials)), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                                  critical=False))
        for identity in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(identity.cert.serial_number)
                .revocation_date(start).build())
        crl = builder.sign(self.key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.PEM).decode()


def _key_usage(ca):
    return x509.KeyUsage(digital_signature=not ca, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=False, key_cert_sign=ca, crl_sign=ca,
                         encipher_only=False, decipher_only=False)


def make_key(key_type="ec"):
    if key_type == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if key_type == "rsa1024":
        return rsa.generate_private_key(65537, 1024)
    return ec.generate_private_key(ec.SECP256R1())


def make_ca(folder, name, key_type="ec"):
    key = make_key(key_type)
    subject = _name(name)
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(next(_serials)).not_valid_before(_now() - datetime.timedelta(days=1))
            .not_valid_after(_now() + datetime.timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_key_usage(ca=True), critical=True)
            .sign(key, hashes.SHA256()))
    return Ca(folder, name, cert, key)


def self_signed(folder, name, key=None):
    key = key or make_key()
    ca = Ca(folder, name, make_ca(folder, name).cert, key)
    cert = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(name)).public_key(key.public_key())
            .serial_number(next(_serials)).not_valid_before(_now() - datetime.timedelta(hours=1))
            .not_valid_after(_now() + datetime.timedelta(days=30))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(key, hashes.SHA256()))
    return Identity(ca.folder, name, cert, key)


SERVER_AUTH = (ExtendedKeyUsageOID.SERVER_AUTH,)
