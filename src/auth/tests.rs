use super::*;
use crate::Config;

/// A folder of this test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("herenow-auth-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    fn put(&self, text: &str) -> PathBuf {
        let file = self.0.join("file");
        fs::write(&file, text).expect("the folder is ours");
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).expect("a valid name")
}

fn secret_config(file: PathBuf) -> Config {
    Config { auth_mode: AuthMode::Secret, auth_secret_file: Some(file), ..Config::default() }
}

#[test]
fn an_open_server_lets_everybody_in_and_proves_nothing() {
    let open = Authenticator::open(&Config::default()).expect("nothing to read");
    let grant = open.check(&name("ada"), None, 0).expect("everybody may come in");
    assert!(!grant.is_proven && grant.lasts.is_none() && open.is_open());
    assert_eq!(open.look(), None);
}

#[test]
fn whoever_has_one_of_the_secrets_comes_in_under_any_name() {
    let scratch = Scratch::new();
    let file = scratch.put("the first secret of two\n\n the second secret of two \n");
    let auth = Authenticator::open(&secret_config(file)).expect("a sound file");
    let check = |secret: &str| auth.check(&name("ada"), Some(&Credential::from(secret)), 0);
    for secret in ["the first secret of two", "the second secret of two"] {
        assert!(!check(secret).expect("it is a secret").is_proven, "a secret proves no name");
    }
    let long = "x".repeat(CREDENTIAL_BYTES_MAX + 1);
    for wrong in ["", "the first secret", "the first secret of two\n", &long] {
        assert!(matches!(check(wrong), Err(Denied::Refused(_))), "{wrong}");
    }
    assert!(matches!(auth.check(&name("ada"), None, 0), Err(Denied::Refused(_))));
    assert!(!format!("{auth:?}").contains("secret of two"), "a log shows no secret");
}

#[test]
fn a_file_of_secrets_is_followed_and_a_broken_one_changes_nothing() {
    let scratch = Scratch::new();
    let file = scratch.put("an old secret, quite long");
    let auth = Authenticator::open(&secret_config(file)).expect("a sound file");
    let is_good = |secret: &str| auth.check(&name("ada"), Some(&secret.into()), 0).is_ok();
    assert_eq!(auth.look(), None);
    for (broken, words) in [
        ("\n", "no secret"),
        ("short", "16 bytes"),
        (&"a long enough secret\n".repeat(9), "at most 8"),
    ] {
        scratch.put(broken);
        let error = auth.look().expect("it has changed").expect_err(words).to_string();
        assert!(error.contains(words) && error.contains("file"), "{error}");
        assert_eq!(auth.look(), None, "a mistake is told once");
        assert!(is_good("an old secret, quite long"));
    }
    scratch.put("a new secret, quite long too");
    assert_eq!(auth.look(), Some(Ok(())));
    assert!(is_good("a new secret, quite long too") && !is_good("an old secret, quite long"));
}

#[test]
fn a_user_file_gives_rights_over_the_usual_ones() {
    let scratch = Scratch::new();
    let hash = hash_password(&"correct horse".into()).expect("randomness");
    let file = scratch.put(&format!("[users.ada]\npassword = \"{hash}\"\nexplain = true\n"));
    let config = Config {
        auth_mode: AuthMode::Users,
        auth_users_file: Some(file),
        auth_rooms: "lobby".to_owned(),
        auth_observe: false,
        ..Config::default()
    };
    let auth = Authenticator::open(&config).expect("a sound file");
    assert!(auth.takes_time());
    let grant = auth.check(&name("ada"), Some(&"correct horse".into()), 0).expect("her password");
    assert!(grant.is_proven);
    assert!(grant.rights.explain && !grant.rights.observe && grant.rights.lists);
    assert_eq!(grant.rights.rooms, rights::Rooms::listed("lobby"));
    assert!(auth.check(&name("eve"), Some(&"correct horse".into()), 0).is_err());
}

#[test]
fn what_a_method_needs_is_asked_for() {
    for (mode, words) in [
        (AuthMode::Secret, "--auth-secret-file"),
        (AuthMode::Users, "--auth-users-file"),
        (AuthMode::Jwt, "--auth-keys"),
    ] {
        let config = Config { auth_mode: mode, ..Config::default() };
        let error = Authenticator::open(&config).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}
