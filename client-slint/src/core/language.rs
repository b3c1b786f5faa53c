//! The languages of the window, and which of them the system asks for.

use serde::{Deserialize, Serialize};

/// A language that every word of the window has been translated to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// The language in which the window is written.
    #[default]
    #[serde(rename = "en")]
    English,
    /// As written in mainland China.
    #[serde(rename = "zh")]
    Chinese,
    /// German.
    #[serde(rename = "de")]
    German,
    /// Modern Standard Arabic, from right to left.
    #[serde(rename = "ar")]
    Arabic,
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::English, Self::German, Self::Chinese, Self::Arabic];

    /// Its code (ISO 639-1), which is also the name of its folder of translations; English has none.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
            Self::German => "de",
            Self::Arabic => "ar",
        }
    }

    /// What it calls itself.
    #[must_use]
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
            Self::German => "Deutsch",
            Self::Arabic => "العربية",
        }
    }

    /// Whether it is written from right to left.
    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        self == Self::Arabic
    }

    /// The first language that the system asks for and the window has; English if there is none.
    ///
    /// `variable` gives the value of an environment variable. As with gettext, `LC_ALL` goes before `LC_MESSAGES` and that
    /// before `LANG`; unless the one that counts is `C`, the list in `LANGUAGE` goes before all of them.
    #[must_use]
    pub fn of_system(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set).unwrap_or_default();
        if matches!(base(&locale), "" | "C" | "POSIX") {
            return Self::English;
        }
        let wanted = variable("LANGUAGE").unwrap_or_default();
        wanted.split(':').chain([locale.as_str()]).find_map(Self::of_locale).unwrap_or_default()
    }

    /// The language of a locale such as `de_AT.UTF-8` or `zh-Hans`.
    fn of_locale(locale: &str) -> Option<Self> {
        let wanted = base(locale).to_ascii_lowercase();
        Self::ALL.into_iter().find(|language| language.code() == wanted)
    }
}

/// A locale without country, script, character set and variant.
fn base(locale: &str) -> &str {
    locale.split(['_', '-', '.', '@']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Language {
        Language::of_system(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_system_is_asked_as_gettext_asks_it() {
        use Language::{Arabic, Chinese, English, German};
        let cases: [(&[(&str, &str)], Language); 10] = [
            (&[], English),
            (&[("LANG", "de_AT.UTF-8")], German),
            (&[("LANG", "zh_TW.UTF-8@stroke")], Chinese),
            (&[("LANG", "de_DE.UTF-8"), ("LC_MESSAGES", "ar")], Arabic),
            (&[("LC_MESSAGES", "ar"), ("LC_ALL", "zh-Hans")], Chinese),
            (&[("LC_ALL", ""), ("LANG", "de")], German),
            (&[("LANG", "fr_FR.UTF-8")], English),
            (&[("LANG", "fr_FR.UTF-8"), ("LANGUAGE", "fr:ar:de")], Arabic),
            (&[("LANG", "C.UTF-8"), ("LANGUAGE", "de")], English),
            (&[("LANG", "den_CA"), ("LANGUAGE", "")], English),
        ];
        for (variables, language) in cases {
            assert_eq!(of(variables), language, "{variables:?}");
        }
    }
}
