//! JSON Web Tokens of somebody else's making, and the keys that sign them.
//!
//! The algorithms are those of the configuration, never those that a token asks for; a key serves only the algorithms
//! that suit its kind. Times are judged by the caller's clock.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herenow_protocol::limits::CREDENTIAL_BYTES_MAX;
use herenow_protocol::{Credential, DisplayName};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::rights::GivenRights;
use super::{AuthError, LEEWAY};
use crate::files::{Stamp, stamp};

/// Bytes of a set of keys.
const KEYS_BYTES_MAX: u64 = 256 * 1024;

/// Keys of a set; further ones are not read.
const KEYS_MAX: usize = 64;

/// How long a set of keys may take to come.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a shared key, at least: as many as the hash of `HS256` has.
const SHARED_KEY_BYTES_MIN: usize = 32;

/// How tokens are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// The algorithms that are taken, with commas between them.
    pub algorithms: String,
    /// For whom a token must be.
    pub audience: String,
    /// By whom it must be; empty for anybody who has a key.
    pub issuer: String,
    /// The path or URL of a JSON Web Key Set; with `HS256` and its like the path of the shared key.
    pub keys: String,
}

/// Why a token lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// For the log of whoever looks for it; the client is told nothing of it.
    Refused(&'static str),
    /// It names a key that is not here; a newer set may have it.
    UnknownKey,
}

/// Who a token is of, for how long it is good, and what it grants.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) rights: GivenRights,
    pub(super) lasts: Duration,
}

/// Judges tokens.
pub(super) struct Tokens {
    algorithms: Vec<Algorithm>,
    validation: Validation,
    source: Source,
    keys: Mutex<Keys>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    SharedKey(PathBuf),
    File(PathBuf),
    Url(String),
}

struct Keys {
    set: Arc<Vec<Key>>,
    stamp: Option<Stamp>,
}

struct Key {
    id: Option<String>,
    /// Those that suit its kind.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    #[serde(default)]
    herenow: GivenRights,
}

impl Tokens {
    /// Reads the rules and the keys. Keys from a URL that cannot be had are asked for again later.
    pub(super) fn open(rules: &TokenRules) -> Result<Self, AuthError> {
        let algorithms = algorithms(&rules.algorithms)?;
        if rules.audience.is_empty() {
            return Err(AuthError::Rules("tokens need an audience: say it with --auth-audience"));
        }
        let source = source(&rules.keys, &algorithms)?;
        let keys = Keys { set: Arc::default(), stamp: None };
        let validation = validation(rules);
        let tokens = Self { algorithms, validation, source, keys: Mutex::new(keys) };
        match tokens.refresh() {
            Err(error) if matches!(tokens.source, Source::Url(_)) => {
                tracing::warn!(%error, "no keys yet, so nobody can come in; they are asked for again");
            }
            read => read?,
        }
        Ok(tokens)
    }

    /// Whether this token lets this user in now.
    pub(super) fn check(
        &self,
        name: &DisplayName,
        token: &Credential,
        now_unix_ms: u64,
    ) -> Result<Judged, BadToken> {
        let claims = self.claims(token)?;
        if DisplayName::new(&claims.sub).as_ref() != Ok(name) {
            return Err(BadToken::Refused("the token is of somebody else"));
        }
        let leeway = LEEWAY.as_secs_f64();
        let now = now_unix_ms as f64 / 1_000.0;
        if claims.nbf.is_some_and(|nbf| now + leeway < nbf) {
            return Err(BadToken::Refused("the token is not valid yet"));
        }
        let left = claims.exp + leeway - now;
        if left.is_nan() || left <= 0.0 {
            return Err(BadToken::Refused("the token has expired"));
        }
        // Weeks from now nobody remembers; the caller's clock must be able to count to it.
        let lasts = Duration::from_secs_f64(left.min(SPAN_MAX.as_secs_f64()));
        Ok(Judged { rights: claims.herenow, lasts })
    }

    fn claims(&self, token: &Credential) -> Result<Claims, BadToken> {
        let token = token.expose();
        if token.len() > CREDENTIAL_BYTES_MAX {
            return Err(BadToken::Refused("the token is too long"));
        }
        let header = decode_header(token).map_err(|_| BadToken::Refused("this is no token"))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(BadToken::Refused("the token's algorithm is not one of ours"));
        }
        let keys = Arc::clone(&self.keys().set);
        let is_meant =
            |key: &&Key| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        let mut meant = keys.iter().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return Err(BadToken::UnknownKey);
        }
        let validation = Validation { algorithms: vec![header.alg], ..self.validation.clone() };
        meant
            .filter(|key| key.algorithms.contains(&header.alg))
            .find_map(|key| decode::<Claims>(token, &key.key, &validation).ok())
            .map(|data| data.claims)
            .ok_or(BadToken::Refused("neither the signature nor the claims hold"))
    }

    /// Reads the keys anew; on an error the old ones stay. May take [`FETCH_TIMEOUT`].
    pub(super) fn refresh(&self) -> Result<(), AuthError> {
        let (set, stamp) = match &self.source {
            Source::SharedKey(file) => (shared_key(file, &self.algorithms)?, stamp(file)),
            Source::File(file) => {
                let stamp = stamp(file);
                let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
                (key_set(&text).map_err(|error| unreadable(file, &error))?, stamp)
            }
            Source::Url(url) => {
                let failed = |error: String| AuthError::Fetch { url: url.clone(), error };
                (key_set(&fetch(url).map_err(failed)?).map_err(failed)?, None)
            }
        };
        *self.keys() = Keys { set: Arc::new(set), stamp };
        Ok(())
    }

    /// Whether the file of keys has changed. A URL must be asked.
    pub(super) fn has_changed(&self) -> bool {
        match &self.source {
            Source::SharedKey(file) | Source::File(file) => self.keys().stamp != stamp(file),
            Source::Url(_) => false,
        }
    }

    /// Whether the keys come from elsewhere.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.source, Source::Url(_))
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token may last, at most.
const SPAN_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("source", &self.source).finish_non_exhaustive()
    }
}

fn algorithms(list: &str) -> Result<Vec<Algorithm>, AuthError> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let parsed: Result<Vec<Algorithm>, _> = names.map(str::parse).collect();
    let algorithms = parsed.map_err(|_| {
        AuthError::Rules(
            "--auth-algorithms must name some of EdDSA ES256 ES384 RS256 RS384 RS512 PS256 PS384 PS512 HS256 HS384 HS512",
        )
    })?;
    let shared = algorithms.iter().filter(|algorithm| is_shared(**algorithm)).count();
    match (algorithms.len(), shared) {
        (0, _) => Err(AuthError::Rules("tokens need an algorithm: say it with --auth-algorithms")),
        (all, shared) if shared == 0 || shared == all => Ok(algorithms),
        // A public key must never be tried as a shared one.
        _ => Err(AuthError::Rules(
            "--auth-algorithms mixes algorithms with a shared key (HS..) and such with public keys",
        )),
    }
}

fn is_shared(algorithm: Algorithm) -> bool {
    AlgorithmFamily::Hmac.algorithms().contains(&algorithm)
}

fn source(keys: &str, algorithms: &[Algorithm]) -> Result<Source, AuthError> {
    let is_shared = algorithms.iter().any(|algorithm| is_shared(*algorithm));
    let is_url = keys.contains("://");
    match () {
        () if keys.is_empty() => {
            Err(AuthError::Rules("tokens need keys: say where they are with --auth-keys"))
        }
        () if is_shared && is_url => {
            Err(AuthError::Rules("a shared key (HS..) comes from a file, not from a URL"))
        }
        () if is_shared => Ok(Source::SharedKey(PathBuf::from(keys))),
        () if is_url && !is_safe(keys) => Err(AuthError::Rules(
            "--auth-keys must begin with https://, or whoever is on the way decides who comes in",
        )),
        () if is_url => Ok(Source::Url(keys.to_owned())),
        () => Ok(Source::File(PathBuf::from(keys))),
    }
}

/// Whether nobody on the way can put keys of their own in.
fn is_safe(url: &str) -> bool {
    let plain = url.strip_prefix("http://");
    let is_here = |rest: &str| {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        host == "127.0.0.1" || host == "localhost"
    };
    url.starts_with("https://") || plain.is_some_and(is_here)
}

/// What the claims must say. Times are not judged here: that takes a clock.
fn validation(rules: &TokenRules) -> Validation {
    let mut validation =
        Validation { validate_exp: false, validate_nbf: false, ..Validation::default() };
    validation.set_audience(&[&rules.audience]);
    let mut required = vec!["exp", "aud", "sub"];
    if !rules.issuer.is_empty() {
        validation.set_issuer(&[&rules.issuer]);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn shared_key(file: &PathBuf, algorithms: &[Algorithm]) -> Result<Vec<Key>, AuthError> {
    let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let secret = text.trim().as_bytes();
    if secret.len() < SHARED_KEY_BYTES_MIN {
        return Err(unreadable(file, &"a shared key has at least 32 bytes"));
    }
    let key = DecodingKey::from_secret(secret);
    Ok(vec![Key { id: None, algorithms: algorithms.to_vec(), key }])
}

/// The keys of a set that can check signatures. Others, of kinds that we do not know, are left out.
fn key_set(text: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let keys: Vec<Key> = set.keys.iter().filter_map(usable_key).take(KEYS_MAX).collect();
    if keys.is_empty() {
        Err("it holds no key that can check a token".to_owned())
    } else {
        Ok(keys)
    }
}

fn usable_key(jwk: &Jwk) -> Option<Key> {
    let is_for_signatures =
        matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let suited: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms(),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => &[],
        },
        // A shared key in a public set is no secret; other kinds we do not know.
        _ => &[],
    };
    let named = jwk.common.key_algorithm;
    let is_named = |algorithm: &&Algorithm| {
        named.is_none_or(|named| named.to_string().parse() == Ok(**algorithm))
    };
    let algorithms: Vec<Algorithm> = suited.iter().filter(is_named).copied().collect();
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (is_for_signatures && !algorithms.is_empty()).then(|| Key {
        id: jwk.common.key_id.clone(),
        algorithms,
        key,
    })
}

fn fetch(url: &str) -> Result<String, String> {
    use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(crate::tls::provider())
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(FETCH_TIMEOUT))
        .max_redirects(0)
        .user_agent(concat!("herenow/", env!("CARGO_PKG_VERSION")))
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let body = response.body_mut().with_config().limit(KEYS_BYTES_MAX);
    body.read_to_string().map_err(|error| error.to_string())
}

fn unreadable(file: &std::path::Path, error: &dyn std::fmt::Display) -> AuthError {
    AuthError::File { file: file.to_owned(), error: error.to_string() }
}

#[cfg(test)]
mod tests;
