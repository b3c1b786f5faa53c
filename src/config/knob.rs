//! What all knobs have in common: a key, a flag, words about it, and a place in the [`Config`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;
use toml::de::DeValue;

use super::{AuthMode, Config, LastSeenTold, LogFormat};

/// One knob. All of them: [`super::KNOBS`].
pub struct Knob {
    /// The section of the file that it stands in.
    pub section: &'static str,
    /// Its key there.
    pub key: &'static str,
    /// Its flag, without the dashes.
    pub flag: &'static str,
    /// What it means, in the first line, and why it is as it is.
    pub doc: &'static [&'static str],
    /// When a new value counts.
    pub counts: Counts,
    /// Where it is kept.
    pub place: &'static dyn Place,
}

/// When a new value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// A running server takes it over, for what begins from then on.
    AtOnce,
    /// It is what a server began with.
    AfterRestart,
}

/// A value as somebody gave it.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// In a file.
    InFile(&'a DeValue<'a>),
    /// As the text of a flag or of an environment variable.
    AsText(&'a str),
}

/// The place of one knob in a [`Config`].
pub trait Place: Sync {
    /// Keeps what was given.
    ///
    /// # Errors
    /// It is no value of this knob: what was given and what is allowed, in words. The configuration is unchanged.
    fn set(&self, config: &mut Config, given: Given<'_>) -> Result<(), String>;
    /// The value as TOML.
    fn show(&self, config: &Config) -> String;
    /// Takes the value of another configuration over. Returns whether it is another one.
    fn take(&self, config: &mut Config, from: &Config) -> bool;
    /// What a value is called in the help.
    fn value_name(&self) -> &'static str;
    /// Whether a flag without a value means yes.
    fn is_switch(&self) -> bool;
}

/// A type that knobs have.
pub trait Setting: Clone + PartialEq + Sized + 'static {
    /// What a value is called in the help.
    const VALUE_NAME: &'static str;
    /// What is allowed, after the words "is not".
    const ALLOWED: &'static str;

    /// Reads the text of a flag or variable.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads the value of a file; usually the same text between quotes.
    fn from_file(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().and_then(Self::from_text)
    }

    /// The value as TOML.
    fn show(&self) -> String;
}

/// The field of a knob.
pub struct Field<T: 'static> {
    /// The field.
    pub get: fn(&Config) -> &T,
    /// The same.
    pub get_mut: fn(&mut Config) -> &mut T,
}

impl<T: Setting> Place for Field<T> {
    fn set(&self, config: &mut Config, given: Given<'_>) -> Result<(), String> {
        let value = match given {
            Given::AsText(text) => T::from_text(text),
            Given::InFile(value) => T::from_file(value),
        };
        *(self.get_mut)(config) =
            value.ok_or_else(|| format!("{} is not {}", given.shown(), T::ALLOWED))?;
        Ok(())
    }

    fn show(&self, config: &Config) -> String {
        (self.get)(config).show()
    }

    fn take(&self, config: &mut Config, from: &Config) -> bool {
        let (old, new) = ((self.get_mut)(config), (self.get)(from));
        let differs = old != new;
        if differs {
            old.clone_from(new);
        }
        differs
    }

    fn value_name(&self) -> &'static str {
        T::VALUE_NAME
    }

    fn is_switch(&self) -> bool {
        T::VALUE_NAME == bool::VALUE_NAME
    }
}

impl Given<'_> {
    /// For an error message: short, and nothing raw.
    fn shown(self) -> String {
        match self {
            Self::AsText(text) => format!("\"{}\"", text.escape_debug()),
            Self::InFile(DeValue::String(text)) => format!("\"{}\"", text.escape_debug()),
            Self::InFile(DeValue::Integer(number)) => number.to_string(),
            Self::InFile(DeValue::Boolean(value)) => value.to_string(),
            Self::InFile(value) => format!("what stands here, of the type {},", value.type_str()),
        }
    }
}

impl Knob {
    /// Section and key.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The environment variable: `HERENOW_TICK_MAX` for `--tick-max`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HERENOW_{}", self.flag.to_uppercase().replace('-', "_"))
    }

    /// What it means, in one sentence without the full stop.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.doc.first().map_or("", |line| line.trim().trim_end_matches('.'))
    }
}

impl std::fmt::Debug for Knob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Setting for Duration {
    const VALUE_NAME: &'static str = "TIME";
    const ALLOWED: &'static str = "a time such as \"2s\", \"100ms\" or \"10min\"";

    fn from_text(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }

    fn show(&self) -> String {
        quoted(&humantime::format_duration(*self).to_string())
    }
}

impl Setting for SocketAddr {
    const VALUE_NAME: &'static str = "ADDR:PORT";
    const ALLOWED: &'static str =
        "an address with its port, such as \"127.0.0.1:4373\" or \"[::1]:4373\"";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Option<SocketAddr> {
    const VALUE_NAME: &'static str = "ADDR:PORT";
    const ALLOWED: &'static str =
        "an address with its port, such as \"127.0.0.1:9373\", or \"\" for none";

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(None);
        }
        text.parse().ok().map(Some)
    }

    fn show(&self) -> String {
        quoted(&self.map(|address| address.to_string()).unwrap_or_default())
    }
}

impl Setting for Option<PathBuf> {
    const VALUE_NAME: &'static str = "PATH";
    const ALLOWED: &'static str = "a path between quotes";

    fn from_text(text: &str) -> Option<Self> {
        Some((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    fn show(&self) -> String {
        quoted(&self.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    }
}

impl Setting for String {
    const VALUE_NAME: &'static str = "TEXT";
    const ALLOWED: &'static str = "a text between quotes";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for LogFormat {
    const VALUE_NAME: &'static str = "auto|text|json";
    const ALLOWED: &'static str = "\"auto\", \"text\" or \"json\"";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn show(&self) -> String {
        quoted(match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl Setting for LastSeenTold {
    const VALUE_NAME: &'static str = "exact|never|TIME";
    const ALLOWED: &'static str = "\"exact\", \"never\" or a time such as \"1min\"";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "exact" => Some(Self::Exactly),
            "never" => Some(Self::Never),
            text => Duration::from_text(text).filter(|step| !step.is_zero()).map(Self::InSteps),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Exactly => quoted("exact"),
            Self::Never => quoted("never"),
            Self::InSteps(step) => step.show(),
        }
    }
}

impl Setting for AuthMode {
    const VALUE_NAME: &'static str = "open|secret|users|jwt";
    const ALLOWED: &'static str = "\"open\", \"secret\", \"users\" or \"jwt\"";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "open" => Some(Self::Open),
            "secret" => Some(Self::Secret),
            "users" => Some(Self::Users),
            "jwt" => Some(Self::Jwt),
            _ => None,
        }
    }

    fn show(&self) -> String {
        quoted(match self {
            Self::Open => "open",
            Self::Secret => "secret",
            Self::Users => "users",
            Self::Jwt => "jwt",
        })
    }
}

impl Setting for bool {
    const VALUE_NAME: &'static str = "true|false";
    const ALLOWED: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_file(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Whole numbers.
macro_rules! whole_numbers {
    ($($type:ty)+) => { $(
        impl Setting for $type {
            const VALUE_NAME: &'static str = "N";
            const ALLOWED: &'static str = "a whole number that fits here";

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn from_file(value: &DeValue<'_>) -> Option<Self> {
                let number = value.as_integer()?;
                Self::from_str_radix(number.as_str(), number.radix()).ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}

whole_numbers!(u32 usize);

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Makes the configuration and the table of its knobs from one list.
macro_rules! configuration {
    ($(
        [$section:ident]
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty = $default:expr, $key:literal, $flag:literal, $counts:ident;
        )+
    )+) => {
        /// How the server behaves. `Config::default()` is right for a LAN and a laptop alike.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $($(
                $(#[doc = $doc])+
                pub $field: $type,
            )+)+
            /// Who may ask why anybody is shown as they are: not a knob, but the key of the account that serves.
            pub operator: Option<OperatorKey>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($($field: $default,)+)+ operator: None }
            }
        }

        /// Every knob, section by section.
        pub static KNOBS: &[knob::Knob] = &[$($(
            knob::Knob {
                section: stringify!($section),
                key: $key,
                flag: $flag,
                doc: &[$($doc),+],
                counts: knob::Counts::$counts,
                place: &knob::Field::<$type> {
                    get: |config| &config.$field,
                    get_mut: |config| &mut config.$field,
                },
            },
        )+)+];
    };
}
pub(super) use configuration;
