use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::auth::rights::Rights;

/// A moment of 2027, in seconds.
const NOW: u64 = 1_800_000_000;

/// What stands before the key itself in the PKCS #8 of an RSA key of 2048 bits.
const RSA_2048_PREFIX: usize = 26;

/// A folder of this test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("herenow-tokens-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    fn put(&self, text: &str) -> String {
        let file = self.0.join("keys");
        fs::write(&file, text).expect("the folder is ours");
        file.to_str().expect("a plain name").to_owned()
    }

    fn put_keys(&self, signers: &[&Signer]) -> String {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
        self.put(&json!({ "keys": keys }).to_string())
    }

    /// Who judges by the keys of these, and takes these algorithms.
    fn judge(&self, signers: &[&Signer], algorithms: &str) -> Tokens {
        let rules = TokenRules { keys: self.put_keys(signers), ..rules(algorithms) };
        Tokens::open(&rules).expect("sound rules and keys")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A key that signs, and what the world may know of it.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    id: String,
}

impl Signer {
    fn new(algorithm: Algorithm, id: &str) -> Self {
        let key = match algorithm {
            Algorithm::EdDSA => {
                let key = Ed25519KeyPair::generate().expect("randomness");
                EncodingKey::from_ed_der(key.to_pkcs8v1().expect("a document").as_ref())
            }
            Algorithm::ES256 => {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                let key = key.expect("randomness").to_pkcs8v1().expect("a document");
                EncodingKey::from_ec_der(key.as_ref())
            }
            Algorithm::RS256 => {
                let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness");
                let key: Pkcs8V1Der<'_> = key.as_der().expect("a document");
                EncodingKey::from_rsa_der(&key.as_ref()[RSA_2048_PREFIX..])
            }
            other => panic!("no test signs with {other:?}"),
        };
        Self { algorithm, key, id: id.to_owned() }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a key of ours");
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).expect("it was made to be written")
    }

    fn sign(&self, claims: &Value) -> Credential {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        Credential::from(&*encode(&header, claims, &self.key).expect("a key of ours signs"))
    }
}

fn rules(algorithms: &str) -> TokenRules {
    TokenRules {
        algorithms: algorithms.to_owned(),
        audience: "herenow".to_owned(),
        issuer: String::new(),
        keys: String::new(),
    }
}

/// Claims that are good for a minute.
fn claims() -> Value {
    json!({"sub": "ada", "aud": "herenow", "exp": NOW + 60})
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(key);
    claims
}

fn check(tokens: &Tokens, token: &Credential) -> Result<Judged, BadToken> {
    tokens.check(&DisplayName::new("ada").expect("a valid name"), token, NOW * 1_000)
}

/// Asserts that a token is refused for a reason with these words.
fn assert_refused(tokens: &Tokens, token: &Credential, words: &str) {
    match check(tokens, token) {
        Err(BadToken::Refused(why)) => assert!(why.contains(words), "{why}, not {words}"),
        other => panic!("not refused because {words}: {other:?}"),
    }
}

/// Base64 without padding, as tokens have it.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |i| char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63]))
    });
    digits.collect()
}

#[test]
fn a40_a_good_token_of_each_kind_lets_its_own_user_in() {
    let scratch = Scratch::new();
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
        let signer = Signer::new(algorithm, "k");
        let tokens = scratch.judge(&[&signer], "EdDSA,ES256,RS256");
        let rights = json!({"rooms": ["lobby"], "explain": true});
        let judged = check(&tokens, &signer.sign(&with("herenow", rights))).expect("it is good");
        assert_eq!(judged.lasts, Duration::from_secs(85), "until exp, and the leeway");
        let rights = judged.rights.over(&Rights::default());
        assert!(rights.explain && rights.invisible && rights.lists);
        assert_refused(&tokens, &signer.sign(&with("sub", json!("eve"))), "somebody else");
    }
}

#[test]
fn a40_claims_that_are_missing_wrong_or_out_of_time_are_refused() {
    let scratch = Scratch::new();
    let signer = Signer::new(Algorithm::EdDSA, "k");
    let tokens = scratch.judge(&[&signer], "EdDSA");
    for (claims, words) in [
        (without("exp"), "claims"),
        (without("aud"), "claims"),
        (without("sub"), "claims"),
        (with("aud", json!("elsewhere")), "claims"),
        (with("aud", json!(["elsewhere", "nowhere"])), "claims"),
        (with("exp", json!("tomorrow")), "claims"),
        (with("exp", json!(NOW - 25)), "expired"),
        (with("exp", json!(-1e300)), "claims"),
        (with("exp", json!(1e300)), "claims"),
        (with("nbf", json!("tomorrow")), "claims"),
        (with("nbf", json!(NOW + 26)), "not valid yet"),
        (with("herenow", json!({"everything": true})), "claims"),
    ] {
        assert_refused(&tokens, &signer.sign(&claims), words);
    }
    for claims in [
        with("aud", json!(["elsewhere", "herenow"])),
        with("exp", json!(NOW - 24)),
        with("nbf", json!(NOW + 24)),
        with("exp", json!(1e15)),
    ] {
        assert!(check(&tokens, &signer.sign(&claims)).is_ok(), "{claims}");
    }
}

#[test]
fn a40_the_issuer_is_checked_where_one_is_configured() {
    let scratch = Scratch::new();
    let signer = Signer::new(Algorithm::EdDSA, "k");
    let rules = TokenRules {
        issuer: "https://id.example.org".to_owned(),
        keys: scratch.put_keys(&[&signer]),
        ..rules("EdDSA")
    };
    let tokens = Tokens::open(&rules).expect("sound rules");
    assert_refused(&tokens, &signer.sign(&claims()), "claims");
    assert_refused(&tokens, &signer.sign(&with("iss", json!("https://evil.example"))), "claims");
    assert!(check(&tokens, &signer.sign(&with("iss", json!("https://id.example.org")))).is_ok());
}

#[test]
fn a40_the_algorithm_is_ours_to_choose() {
    let scratch = Scratch::new();
    let rsa = Signer::new(Algorithm::RS256, "k");
    let tokens = scratch.judge(&[&rsa], "RS256");
    let payload = base64url(claims().to_string().as_bytes());

    // No signature at all, by every name that has been tried.
    for none in ["none", "None", "NONE", "nOnE"] {
        let header = base64url(format!("{{\"alg\":\"{none}\",\"kid\":\"k\"}}").as_bytes());
        for token in [format!("{header}.{payload}."), format!("{header}.{payload}.AA")] {
            assert_refused(&tokens, &Credential::from(&*token), "no token");
        }
    }
    // The public key taken for a shared one, in each shape in which somebody may have it.
    let public = rsa.public();
    let modulus = public["n"].as_str().expect("an RSA key has one");
    for secret in [modulus.to_owned(), public.to_string()] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k".to_owned());
        let key = EncodingKey::from_secret(secret.as_bytes());
        let forged = encode(&header, &claims(), &key).expect("anybody can sign with it");
        assert_refused(&tokens, &Credential::from(&*forged), "algorithm");
    }
    // Another kind of key under the same name.
    let other = Signer::new(Algorithm::ES256, "k");
    assert_refused(&tokens, &other.sign(&claims()), "algorithm");
    // Even where both algorithms are allowed a key serves its own only.
    let both = scratch.judge(&[&rsa], "RS256,ES256");
    assert_refused(&both, &other.sign(&claims()), "signature");
    // A signature that was touched, and one of somebody else's.
    let good = rsa.sign(&claims());
    let touched = good.expose().to_owned() + "A";
    assert_refused(&tokens, &Credential::from(&*touched), "signature");
    let (head, signature) = good.expose().rsplit_once('.').expect("three parts");
    let (header, _) = head.rsplit_once('.').expect("three parts");
    let eve = base64url(with("sub", json!("eve")).to_string().as_bytes());
    let swapped = format!("{header}.{eve}.{signature}");
    assert_refused(&tokens, &Credential::from(&*swapped), "signature");
    assert_refused(&tokens, &Signer::new(Algorithm::RS256, "k").sign(&claims()), "signature");
}

#[test]
fn a40_what_is_no_token_or_too_long_is_refused() {
    let scratch = Scratch::new();
    let signer = Signer::new(Algorithm::EdDSA, "k");
    let tokens = scratch.judge(&[&signer], "EdDSA");
    for text in ["", ".", "..", "a.b.c", "\u{1F98A}.\u{1F98A}.\u{1F98A}"] {
        assert_refused(&tokens, &Credential::from(text), "no token");
    }
    let long = signer.sign(&with("padding", json!("x".repeat(3_000))));
    assert_refused(&tokens, &long, "too long");
}

#[test]
fn a40_new_keys_take_the_place_of_old_ones_and_a_broken_file_of_none() {
    let scratch = Scratch::new();
    let (old, new) = (Signer::new(Algorithm::EdDSA, "old"), Signer::new(Algorithm::EdDSA, "new"));
    let tokens = scratch.judge(&[&old], "EdDSA");
    assert!(check(&tokens, &old.sign(&claims())).is_ok());
    assert_eq!(check(&tokens, &new.sign(&claims())).err(), Some(BadToken::UnknownKey));
    assert!(!tokens.has_changed());
    scratch.put_keys(&[&old, &new]);
    assert!(tokens.has_changed());
    tokens.refresh().expect("both are sound");
    assert!(check(&tokens, &old.sign(&claims())).is_ok());
    assert!(check(&tokens, &new.sign(&claims())).is_ok());
    for broken in
        ["", "{}", "{\"keys\": []}", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}"]
    {
        scratch.put(broken);
        let error = tokens.refresh().expect_err(broken).to_string();
        assert!(error.contains("keys: "), "{error} names the file");
        assert!(check(&tokens, &new.sign(&claims())).is_ok(), "what was read before stays");
    }
    scratch.put_keys(&[&new]);
    tokens.refresh().expect("it is sound");
    assert_eq!(check(&tokens, &old.sign(&claims())).err(), Some(BadToken::UnknownKey));
}

#[test]
fn a_shared_key_signs_tokens_where_it_is_the_only_kind() {
    let scratch = Scratch::new();
    let secret = "0123456789abcdef0123456789abcdef";
    let rules = TokenRules { keys: scratch.put(&format!("{secret}\n")), ..rules("HS256") };
    let tokens = Tokens::open(&rules).expect("sound rules");
    let sign = |secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims(), &key);
        Credential::from(&*token.expect("a shared key signs"))
    };
    assert!(check(&tokens, &sign(secret)).is_ok());
    assert_refused(&tokens, &sign("another"), "signature");
    scratch.put("short");
    assert!(tokens.refresh().expect_err("too short").to_string().contains("32 bytes"));
}

#[test]
fn rules_that_would_let_the_wrong_people_in_are_refused() {
    let scratch = Scratch::new();
    let keys = scratch.put_keys(&[&Signer::new(Algorithm::EdDSA, "k")]);
    let sound = TokenRules { keys, ..rules("EdDSA") };
    for (wrong, words) in [
        (TokenRules { algorithms: String::new(), ..sound.clone() }, "algorithm"),
        (TokenRules { algorithms: "none".to_owned(), ..sound.clone() }, "EdDSA"),
        (TokenRules { algorithms: "RS256,HS256".to_owned(), ..sound.clone() }, "mixes"),
        (TokenRules { audience: String::new(), ..sound.clone() }, "audience"),
        (TokenRules { keys: String::new(), ..sound.clone() }, "keys"),
        (TokenRules { keys: "http://id.example.org/keys".to_owned(), ..sound.clone() }, "https://"),
        (
            TokenRules { keys: "http://127.0.0.1.example/keys".to_owned(), ..sound.clone() },
            "https://",
        ),
        (TokenRules { keys: "ftp://127.0.0.1/keys".to_owned(), ..sound.clone() }, "https://"),
        (
            TokenRules { keys: scratch.0.join("nothing").display().to_string(), ..sound.clone() },
            "nothing",
        ),
    ] {
        let error = Tokens::open(&wrong).expect_err(words).to_string();
        assert!(error.contains(words), "{error}, not {words}");
    }
    assert!(Tokens::open(&sound).is_ok());
}
