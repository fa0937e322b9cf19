import hashlib
import stat
import subprocess

import pytest

from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.signature import PublicKey, SigningKey, make_key_pair

pytest.importorskip("cryptography", reason="signatures need cryptography (pip install 'turn_rl_ros[sign]')")
SHA256 = hashlib.sha256(b"a policy").hexdigest()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    make_key_pair(folder / "key.pem", folder / "public.pem")
    make_key_pair(folder / "other.pem", folder / "other_public.pem")
    return folder


def test_a_signature_is_of_one_policy_by_one_key(keys):
    signature = SigningKey(keys / "key.pem").sign(SHA256)
    assert len(signature) == 128
    PublicKey(keys / "public.pem").require(SHA256, signature)
    with pytest.raises(PolicyRejected, match="not of this robot's public_key"):
        PublicKey(keys / "public.pem").require(hashlib.sha256(b"another").hexdigest(), signature)
    with pytest.raises(PolicyRejected, match="not of this robot's public_key"):
        PublicKey(keys / "other_public.pem").require(SHA256, signature)


@pytest.mark.parametrize(("signature", "words"), [("", "not signed"), ("zz", "not of"), ("00" * 64, "not of")])
def test_what_is_no_signature_is_refused(keys, signature, words):
    with pytest.raises(PolicyRejected, match=words):
        PublicKey(keys / "public.pem").require(SHA256, signature)


def test_openssl_agrees(keys, tmp_path):
    """The signed line is the one that the documentation gives."""
    (tmp_path / "line").write_text(f"turn_rl_ros policy sha256:{SHA256}")
    (tmp_path / "sig").write_bytes(bytes.fromhex(SigningKey(keys / "key.pem").sign(SHA256)))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(keys / "public.pem"), "-rawin"]
    try:
        done = subprocess.run(
            [*command, "-in", "line", "-sigfile", "sig"], cwd=tmp_path, capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert "Verified Successfully" in done.stdout, done.stderr


def test_the_private_key_is_its_owners_alone_and_nothing_is_overwritten(keys, tmp_path):
    assert stat.S_IMODE((keys / "key.pem").stat().st_mode) == 0o600
    before = (keys / "key.pem").read_bytes()
    with pytest.raises(TurnRlError, match=r"key\.pem: File exists"):
        make_key_pair(keys / "key.pem", tmp_path / "new.pem")
    with pytest.raises(TurnRlError, match=r"public\.pem: File exists"):
        make_key_pair(tmp_path / "fresh.pem", keys / "public.pem")
    assert (keys / "key.pem").read_bytes() == before
    assert not list(tmp_path.iterdir()), "half a pair is none"


def test_files_that_are_no_keys_are_named(keys, tmp_path):
    (tmp_path / "rubbish.pem").write_text("rubbish")
    with pytest.raises(TurnRlError, match=r"rubbish\.pem is no public key"):
        PublicKey(tmp_path / "rubbish.pem")
    with pytest.raises(TurnRlError, match=r"public\.pem is no private key"):
        SigningKey(keys / "public.pem")
    with pytest.raises(TurnRlError, match="cannot read the key"):
        PublicKey(tmp_path / "missing.pem")
