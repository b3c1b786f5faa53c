use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use super::*;
use crate::config::AuthMode;

const NOW: u64 = 1_800_000_000;

/// A server of keys on the loopback, which counts how often it is asked.
struct KeyServer {
    url: String,
    /// What it answers; nothing if it hangs up instead.
    keys: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let url = format!("http://{}/keys", listener.local_addr().expect("it is bound"));
        let (keys, asked) = (Arc::new(Mutex::new(None::<String>)), Arc::new(AtomicUsize::new(0)));
        let (answers, count) = (Arc::clone(&keys), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                let answer = answers.lock().expect("nobody panics").clone();
                let Some(body) = answer else { continue };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        Self { url, keys, asked }
    }

    fn serve(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.public.clone()).collect();
        *self.keys.lock().expect("nobody panics") = Some(json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn gate(&self) -> Gate {
        let config = Config {
            auth_mode: AuthMode::Jwt,
            auth_algorithms: "EdDSA".to_owned(),
            auth_keys: self.url.clone(),
            ..Config::default()
        };
        Gate::open(&config, Clock::simulated(NOW * 1_000)).expect("sound rules")
    }
}

struct Signer {
    id: &'static str,
    key: EncodingKey,
    public: serde_json::Value,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let key = Ed25519KeyPair::generate().expect("randomness");
        let key = EncodingKey::from_ed_der(key.to_pkcs8v1().expect("a document").as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a key of ours");
        jwk.common.key_id = Some(id.to_owned());
        Self { id, key, public: serde_json::to_value(jwk).expect("it can be written") }
    }

    /// A token that is good for a day.
    fn token(&self) -> Credential {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.to_owned());
        let claims = json!({"sub": "ada", "aud": "herenow", "exp": NOW + 86_400});
        Credential::from(&*encode(&header, &claims, &self.key).expect("it signs"))
    }
}

async fn admit(gate: &Gate, token: &Credential) -> Result<Grant, Refusal> {
    let name = DisplayName::new("ada").expect("a valid name");
    // Each from an address of its own, so that nobody has to wait.
    let address = IpAddr::from(rand::random::<u32>().to_be_bytes());
    gate.admit(&name, Some(token), address).await
}

#[test]
fn a39_the_answer_comes_on_a_grid_whatever_it_took() {
    let asked_at = Clock::system().instant();
    let cases = [(0, 200), (1, 200), (199, 200), (200, 200), (201, 400), (900, 1_000)];
    for (took_ms, told_ms) in cases {
        let now = asked_at + Duration::from_millis(took_ms);
        assert_eq!(answer_at(asked_at, now) - asked_at, Duration::from_millis(told_ms));
    }
}

#[tokio::test(start_paused = true)]
async fn a39_refusals_take_exactly_their_time_and_a_crowd_of_them_is_put_off() {
    let server = KeyServer::start();
    let signer = Signer::new("one");
    server.serve(&[&signer]);
    let gate = server.gate();
    let (name, here) = (DisplayName::new("eve").expect("valid"), IpAddr::from([192, 0, 2, 1]));
    for _ in 0..5 {
        let before = gate.clock.instant();
        let refused = gate.admit(&name, Some(&signer.token()), here).await;
        assert_eq!(refused, Err(Refusal::Refused), "the token is ada's");
        assert_eq!(gate.clock.instant() - before, ANSWER_AFTER);
    }
    let before = gate.clock.instant();
    let put_off = gate.admit(&name, Some(&signer.token()), here).await;
    assert!(matches!(put_off, Err(Refusal::NotNow(_))), "{put_off:?}");
    assert_eq!(gate.clock.instant(), before, "nothing was looked at");
    assert!(admit(&gate, &signer.token()).await.is_ok(), "others come in, at once");
    assert_eq!(gate.clock.instant(), before);
}

#[tokio::test(start_paused = true)]
async fn a40_rotated_keys_are_fetched_once_a_minute_at_most() {
    let server = KeyServer::start();
    let (old, new, strange) = (Signer::new("old"), Signer::new("new"), Signer::new("strange"));
    server.serve(&[&old]);
    let gate = server.gate();
    assert_eq!(server.asked(), 1);
    assert!(admit(&gate, &old.token()).await.is_ok());
    server.serve(&[&old, &new]);
    // The first minute counts from the start.
    assert_eq!(admit(&gate, &new.token()).await, Err(Refusal::Refused));
    assert_eq!(server.asked(), 1);
    tokio::time::sleep(FETCH_EVERY).await;
    assert!(admit(&gate, &new.token()).await.is_ok());
    assert_eq!(server.asked(), 2);
    // A storm of tokens with keys that nobody knows asks no more often.
    for _ in 0..20 {
        assert_eq!(admit(&gate, &strange.token()).await, Err(Refusal::Refused));
    }
    assert_eq!(server.asked(), 2);
    // A server that fails, or says nonsense, takes no key away.
    for nonsense in [None, Some("{}".to_owned())] {
        *server.keys.lock().expect("nobody panics") = nonsense;
        tokio::time::sleep(FETCH_EVERY).await;
        assert_eq!(admit(&gate, &strange.token()).await, Err(Refusal::Refused));
        assert!(admit(&gate, &new.token()).await.is_ok());
    }
    // One that was withdrawn goes, though nobody asks for another.
    server.serve(&[&new]);
    let gate = Arc::new(gate);
    let shutdown = CancellationToken::new();
    let following = tokio::spawn(Arc::clone(&gate).follow(shutdown.clone()));
    tokio::time::sleep(KEYS_AGE_MAX + 2 * POLL).await;
    assert_eq!(admit(&gate, &old.token()).await, Err(Refusal::Refused));
    assert!(admit(&gate, &new.token()).await.is_ok());
    shutdown.cancel();
    following.await.expect("it ends with the server");
}

#[tokio::test(start_paused = true)]
async fn a_server_of_keys_that_is_not_there_yet_is_asked_again() {
    let server = KeyServer::start();
    let signer = Signer::new("one");
    let gate = server.gate();
    assert_eq!(admit(&gate, &signer.token()).await, Err(Refusal::Refused));
    server.serve(&[&signer]);
    tokio::time::sleep(FETCH_EVERY).await;
    assert!(admit(&gate, &signer.token()).await.is_ok());
}
