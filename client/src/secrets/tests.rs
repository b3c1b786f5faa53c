use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A folder of this test's own, removed with its contents.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("herenow-secrets-{:016x}", rand::random::<u64>());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_id_is_made_once_and_is_private() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("a/b");
    let first = device_id_in(&folder).expect("the folder can be made");
    assert_eq!(first.as_str().len(), 32);
    assert_eq!(device_id_in(&folder).expect("the file is there"), first);
    let mode =
        fs::metadata(folder.join("device-id")).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder).expect("the folder is there").count(), 1, "no draft stays");
}

#[test]
fn programs_that_start_at_once_agree() {
    let scratch = Scratch::new();
    let folder = scratch.0.as_path();
    let ids: Vec<DeviceId> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..8).map(|_| scope.spawn(|| device_id_in(folder))).collect();
        let joined = started.into_iter().map(|thread| thread.join().expect("no panic"));
        joined.map(|id| id.expect("every program gets an id")).collect()
    });
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_file_with_something_else_is_reported_not_overwritten() {
    let scratch = Scratch::new();
    fs::create_dir_all(&scratch.0).expect("the folder can be made");
    let file = scratch.0.join("device-id");
    fs::write(&file, "not an id!\n").expect("the file can be written");
    let error = device_id_in(&scratch.0).expect_err("that is no id");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("device-id"), "{error}");
    assert_eq!(fs::read_to_string(file).expect("the file is there"), "not an id!\n");
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn the_user_key_is_made_once_and_kept_as_its_pairing_code() {
    let scratch = Scratch::new();
    let key = user_key_in(&scratch.0).expect("the folder can be made");
    assert_eq!(user_key_in(&scratch.0).expect("the file is there"), key);
    let file = scratch.0.join("user-key");
    let text = fs::read_to_string(&file).expect("the file is there");
    assert_eq!(text, format!("{}\n", pairing::code(key)));
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_pairing_code_replaces_the_key_and_a_wrong_one_does_not() {
    let scratch = Scratch::new();
    let old = user_key_in(&scratch.0).expect("the folder can be made");
    let error = set_user_key_in(&scratch.0, "12345").expect_err("too short");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("26 characters"), "{error}");
    assert_eq!(user_key_in(&scratch.0).expect("the file is there"), old);

    let new = UserKey([7; 16]);
    let code = pairing::code(new).to_lowercase();
    assert_eq!(set_user_key_in(&scratch.0, &code).expect("that is a code"), new);
    assert_eq!(user_key_in(&scratch.0).expect("the file is there"), new);
    assert_eq!(mode(&scratch.0.join("user-key")), 0o600);
    assert_eq!(fs::read_dir(&scratch.0).expect("the folder is there").count(), 1, "no draft stays");
}

#[test]
fn an_account_can_be_paired_before_it_had_a_key() {
    let scratch = Scratch::new();
    let key = UserKey([9; 16]);
    set_user_key_in(&scratch.0.join("a/b"), &pairing::code(key)).expect("the folder can be made");
    assert_eq!(user_key_in(&scratch.0.join("a/b")).expect("the file is there"), key);
}

#[test]
fn the_operator_s_key_is_made_by_those_who_need_one_only() {
    let scratch = Scratch::new();
    assert_eq!(known_operator_key_in(&scratch.0).expect("nothing is there"), None);
    assert!(!scratch.0.exists(), "and nothing was made");
    let key = operator_key_in(&scratch.0).expect("the folder can be made");
    assert_eq!(operator_key_in(&scratch.0).expect("the file is there"), key);
    assert_eq!(known_operator_key_in(&scratch.0).expect("the file is there"), Some(key));
    assert_eq!(mode(&scratch.0.join("operator-key")), 0o600);
}

#[test]
fn a_key_file_with_something_else_names_itself_and_the_remedy() {
    let scratch = Scratch::new();
    fs::create_dir_all(&scratch.0).expect("the folder can be made");
    for text in ["", "+0000000000000000000000000000001", "00000000000000000000000000000g00", "12"] {
        fs::write(scratch.0.join("operator-key"), text).expect("the file can be written");
        for error in [
            operator_key_in(&scratch.0).map(Some).expect_err(text),
            known_operator_key_in(&scratch.0).expect_err(text),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let words = error.to_string();
            assert!(words.contains("operator-key") && words.contains("remove"), "{words}");
        }
    }
    fs::write(scratch.0.join("user-key"), "not a code").expect("the file can be written");
    let words = user_key_in(&scratch.0).expect_err("that is no code").to_string();
    assert!(words.contains("user-key") && words.contains("remove"), "{words}");
}

#[test]
fn the_state_folder_is_found_as_the_specification_says() {
    let path = |text: &str| Some(PathBuf::from(text));
    let found = |state, home| folder_in(state, home).ok();
    assert_eq!(found(path("/s"), path("/h")), path("/s/herenow"));
    assert_eq!(found(path("relative"), path("/h")), path("/h/.local/state/herenow"));
    assert_eq!(found(None, path("/h")), path("/h/.local/state/herenow"));
    assert_eq!(found(None, path("")), None);
}

#[test]
fn a_credential_is_kept_for_its_own_server_and_is_private() {
    let scratch = Scratch::new();
    let (folder, one, two) = (scratch.0.as_path(), "tls://one:99", "tls://TWO");
    assert_eq!(kept_credential_in(folder, one), None);
    keep_credential_in(folder, one, &"a b c".into()).expect("the folder can be made");
    keep_credential_in(folder, two, &"second".into()).expect("the file is there");
    keep_credential_in(folder, one, &"d e".into()).expect("the file is there");
    assert_eq!(kept_credential_in(folder, one), Some("d e".into()));
    let digits = "a".repeat(64);
    assert_eq!(
        kept_credential_in(folder, &format!("tls://two:4374#{digits}")),
        Some("second".into())
    );
    for other in ["tls://one", "one:99", "two", "tls://tw"] {
        assert_eq!(kept_credential_in(folder, other), None, "{other}");
    }
    let mode = fs::metadata(folder.join("credentials")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (server, credential) in [("one:99", "x"), ("tls://", "x"), (one, "x\ny"), (one, "")] {
        let refused = keep_credential_in(folder, server, &credential.into());
        assert_eq!(refused.expect_err(server).kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(kept_credential_in(folder, one), Some("d e".into()), "what was kept stays");
}
