//! The adapter of what the user set. The theme follows the settings page's state by itself; the language is chosen here.

use std::cell::Cell;
use std::rc::Rc;

use slint::{ComponentHandle as _, ModelRc, VecModel, Weak};

use super::at_desk;
use super::people::{core_grouping, core_sort, window_grouping, window_sort};
use crate::core::bidi;
use crate::core::language::Language;
use crate::core::settings::{self, AwayAfter, Scale, Settings, Switch};
use crate::desk::Desk;
use crate::keeper::{Keeper, Trouble};
use crate::ui::{self, AppWindow, SettingsProblem, SettingsState, Theme};

/// Shows what the user set, in the language that they set.
pub struct SettingsAdapter {
    window: Weak<AppWindow>,
    /// The language of the window now.
    language: Cell<Option<Language>>,
    system_language: Language,
}

impl SettingsAdapter {
    /// The adapter of `window`, on a system that asks for this language.
    pub(super) fn new(window: &AppWindow, system_language: Language) -> Self {
        let page = window.global::<ui::Settings<'_>>();
        page.set_languages(model(Language::ALL.map(|language| language.own_name().into())));
        page.set_scales(model(Scale::CHOICES.map(i32::from)));
        page.set_away_times(model(AwayAfter::CHOICES.map(i32::from)));
        Self { window: window.as_weak(), language: Cell::default(), system_language }
    }

    /// Shows the settings.
    pub fn show(&self, keeper: &Keeper) {
        let Some(window) = self.window.upgrade() else { return };
        let page = window.global::<ui::Settings<'_>>();
        keeper.read(|settings| {
            page.set_state(window_state(settings));
            self.show_language(&window, settings.look.language.unwrap_or(self.system_language));
        });
        // The last trouble is the one that the user can do something about.
        let trouble = keeper.trouble().pop();
        page.set_problem(trouble.as_ref().map_or(SettingsProblem::None, window_problem));
        page.set_problem_part(trouble.map(part).unwrap_or_default().into());
    }

    fn show_language(&self, window: &AppWindow, language: Language) {
        if self.language.replace(Some(language)) == Some(language) {
            return;
        }
        let rtl = language.is_right_to_left();
        window.global::<Theme<'_>>().set_rtl(rtl);
        let words = window.global::<ui::Language<'_>>();
        words.on_isolated(move |text| bidi::isolated(&text, rtl).into());
        slint::select_bundled_translation(language.code())
            .expect("build.rs bundles every language");
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let page = window.global::<ui::Settings<'_>>();
    let (weak, handle) = (Rc::downgrade(desk), window.as_weak());
    page.on_change(move || {
        if let Some(window) = handle.upgrade() {
            let state = window.global::<ui::Settings<'_>>().get_state();
            at_desk(&weak, |desk| desk.set(|settings| take(settings, &state)));
        }
    });
    let weak = Rc::downgrade(desk);
    page.on_look(move || {
        at_desk(&weak, |desk| desk.set(|_| {}));
    });
}

fn model<T: Clone + 'static, const N: usize>(values: [T; N]) -> ModelRc<T> {
    ModelRc::new(VecModel::from(Vec::from(values)))
}

fn window_state(settings: &Settings) -> SettingsState {
    let Settings { sign_in, look, list, notifications, presence, window, .. } = settings;
    SettingsState {
        language: look.language.map_or(-1, place_of),
        colours: match look.colours {
            settings::Colours::System => ui::Colours::System,
            settings::Colours::Light => ui::Colours::Light,
            settings::Colours::Dark => ui::Colours::Dark,
        },
        scale_percent: look.scale_percent.percent().into(),
        compact_rows: look.compact_rows,
        reduced_motion: look.reduced_motion,
        grouping: window_grouping(list.grouping),
        sorting: window_sort(list.sort),
        told: match notifications.people {
            settings::Told::All => ui::Told::All,
            settings::Told::Favourites => ui::Told::Favourites,
            settings::Told::None => ui::Told::None,
        },
        away_after_min: presence.away_after_min.minutes().unwrap_or_default().into(),
        invisible: sign_in.invisible,
        by_itself: sign_in.by_itself.0,
        close_to_tray: window.close_to_tray.0,
    }
}

/// Takes what the user set in the window. What the window cannot show stays as it is.
fn take(settings: &mut Settings, state: &SettingsState) {
    let Settings { sign_in, look, list, notifications, presence, window, .. } = settings;
    look.language =
        usize::try_from(state.language).ok().and_then(|at| Language::ALL.get(at).copied());
    look.colours = match state.colours {
        ui::Colours::System => settings::Colours::System,
        ui::Colours::Light => settings::Colours::Light,
        ui::Colours::Dark => settings::Colours::Dark,
    };
    let small = |number: i32| u16::try_from(number).ok();
    look.scale_percent =
        small(state.scale_percent).and_then(Scale::new).unwrap_or(look.scale_percent);
    look.compact_rows = state.compact_rows;
    look.reduced_motion = state.reduced_motion;
    list.grouping = core_grouping(state.grouping);
    list.sort = core_sort(state.sorting);
    notifications.people = match state.told {
        ui::Told::All => settings::Told::All,
        ui::Told::Favourites => settings::Told::Favourites,
        ui::Told::None => settings::Told::None,
    };
    presence.away_after_min =
        small(state.away_after_min).and_then(AwayAfter::new).unwrap_or(presence.away_after_min);
    sign_in.invisible = state.invisible;
    sign_in.by_itself = Switch(state.by_itself);
    window.close_to_tray = Switch(state.close_to_tray);
}

fn place_of(language: Language) -> i32 {
    let place = Language::ALL.iter().position(|one| *one == language);
    place.and_then(|place| i32::try_from(place).ok()).unwrap_or(-1)
}

fn window_problem(trouble: &Trouble) -> SettingsProblem {
    match trouble {
        Trouble::Broken { .. } => SettingsProblem::Broken,
        Trouble::Keys { .. } => SettingsProblem::Keys,
        Trouble::Unreadable(_) => SettingsProblem::Unreadable,
        Trouble::Unwritable(_) => SettingsProblem::Unwritable,
    }
}

/// What is wrong, and where.
fn part(trouble: Trouble) -> String {
    match trouble {
        Trouble::Broken { reason, aside } => format!("{aside}\n{reason}"),
        Trouble::Keys { keys, aside } => format!("{aside}\n{keys}"),
        Trouble::Unreadable(error) | Trouble::Unwritable(error) => error,
    }
}
