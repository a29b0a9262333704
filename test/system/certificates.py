"""Certificates as somebody else's authority makes them: for what nines shows to clients, and clients to nines."""

import subprocess

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


class Authority:
    def __init__(self, folder, name="authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", *CURVE, "-keyout", self.key, "-out", self.certificate, "-days", 30, "-subj", f"/CN={name}")

    def issue(self, name, use="serverAuth,clientAuth", days=30):
        """Its certificate and key; made again, they are others in the same places."""
        certificate, key, request = (self.folder / f"{name}{ending}" for ending in (".pem", ".key", ".csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"basicConstraints=CA:FALSE\nextendedKeyUsage={use}\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", "-new", *CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", days,
                "-extfile", extensions, "-out", certificate)
        return certificate, key
