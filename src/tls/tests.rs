use std::fs;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// A day of 2030, in milliseconds.
const NOW: u64 = 1_900_000_000_000;

/// A folder of this test's own, with the files of one server.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("herenow-tls-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { certificate: self.0.join("certificate.pem"), key: self.0.join("key.pem") }
    }

    /// Replaces the certificate, whose last day is in this year, and returns its key.
    fn put_certificate(&self, last_year: i32) -> KeyPair {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a valid name");
        params.not_after = date_time_ymd(last_year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        fs::write(self.files().certificate, certificate.pem()).expect("the folder can be written");
        key
    }

    fn put_key(&self, key: &KeyPair) {
        fs::write(self.files().key, key.serialize_pem()).expect("the folder can be written");
    }

    fn put(&self, last_year: i32) {
        self.put_key(&self.put_certificate(last_year));
    }

    fn open(&self) -> Identity {
        Identity::open(self.files()).expect("the files fit each other")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_changed_certificate_is_taken_up_once() {
    let scratch = Scratch::new();
    scratch.put(2040);
    let identity = scratch.open();
    let first = identity.certificate().fingerprint();
    assert_eq!(identity.look(NOW), None, "nothing has changed");
    scratch.put(2041);
    assert_eq!(identity.look(NOW), Some(Ok(true)));
    assert_ne!(identity.certificate().fingerprint(), first);
    assert_eq!(identity.look(NOW), None);
    assert_eq!(identity.reload(NOW), Ok(false), "asked for, but the same");
}

#[test]
fn a_certificate_without_its_key_changes_nothing_until_the_key_comes() {
    let scratch = Scratch::new();
    scratch.put(2040);
    let identity = scratch.open();
    let first = identity.certificate().fingerprint();
    let key = scratch.put_certificate(2041);
    let TlsFiles { certificate, key: key_file } = scratch.files();
    let mismatch = TlsError::Mismatch { certificate, key: key_file };
    assert_eq!(identity.look(NOW), Some(Err(mismatch)));
    assert_eq!(identity.look(NOW), None, "a mistake is told once");
    assert_eq!(identity.certificate().fingerprint(), first);
    scratch.put_key(&key);
    assert_eq!(identity.look(NOW), Some(Ok(true)));
    assert_ne!(identity.certificate().fingerprint(), first);
}

#[test]
fn files_that_are_gone_or_hold_something_else_change_nothing() {
    let scratch = Scratch::new();
    scratch.put(2040);
    let identity = scratch.open();
    let first = identity.certificate().fingerprint();
    let TlsFiles { certificate, key } = scratch.files();
    let whole = fs::read_to_string(&certificate).expect("it is there");
    for (broken, words) in [
        ("", "it holds no certificate"),
        (&whole[..whole.len() / 2], "this is no PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "this is no certificate",
        ),
    ] {
        fs::write(&certificate, broken).expect("the folder can be written");
        let error = identity.reload(NOW).expect_err(words).to_string();
        assert!(error.contains(words) && error.contains("certificate.pem"), "{error}");
    }
    fs::write(&certificate, whole).expect("the folder can be written");
    fs::remove_file(&key).expect("it is there");
    let error = identity.look(NOW).expect("a file has gone").expect_err("nothing to read");
    assert!(error.to_string().contains("key.pem"), "{error}");
    assert_eq!(identity.certificate().fingerprint(), first);
}

#[test]
fn a_certificate_that_has_expired_replaces_only_one_that_has_too() {
    let scratch = Scratch::new();
    scratch.put(2040);
    let identity = scratch.open();
    let first = identity.certificate().fingerprint();
    scratch.put(2029);
    let file = scratch.files().certificate;
    assert_eq!(identity.reload(NOW), Err(TlsError::Expired { file }));
    assert_eq!(identity.certificate().fingerprint(), first);

    let late = scratch.open();
    assert!(late.certificate().is_expired(NOW), "clients that pinned it do not mind");
    assert!(!late.certificate().is_expired(NOW - 1_000 * 60 * 60 * 24 * 800));
    scratch.put(2028);
    assert_eq!(late.reload(NOW), Ok(true), "both are as bad");
}
