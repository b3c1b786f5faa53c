//! What is on the screen, as a user or a screen reader finds it, and what they do there.

use std::collections::BTreeMap;
use std::time::Duration;

use herenow_desktop::ui::{AppWindow, Theme};
use i_slint_backend_testing::{
    AccessibleRole, ElementHandle, ElementQuery, TestingBackend, TestingBackendOptions,
    mock_elapsed_time,
};
use slint::platform::{Key, PointerEventButton, WindowEvent};
use slint::private_unstable_api::re_exports::ColorScheme;
use slint::{ComponentHandle as _, PhysicalSize, Rgba8Pixel, SharedPixelBuffer, SharedString};

use super::picture::Picture;

/// A frame at 60 frames a second.
const FRAME: Duration = Duration::from_millis(16);

/// The window as seen from outside.
pub struct Screen {
    window: AppWindow,
}

/// Makes windows on this thread draw into memory. Once for each thread.
pub fn use_testing_backend() {
    let options = TestingBackendOptions {
        mock_time: true,
        threading: false,
        renderer_name: Some("software".into()),
    };
    // A second window on the same thread finds the backend in place.
    let _ = slint::platform::set_platform(Box::new(TestingBackend::new(options)));
}

impl Screen {
    pub fn new(window: &AppWindow, width: u32, height: u32) -> Self {
        let screen = Self { window: window.clone_strong() };
        window.window().set_size(PhysicalSize::new(width, height));
        window.show().expect("the testing backend shows windows");
        screen.settle();
        screen
    }

    pub fn set_dark(&self, dark: bool) {
        let scheme = if dark { ColorScheme::Dark } else { ColorScheme::Light };
        self.window.global::<Theme<'_>>().set_scheme(scheme);
        self.settle();
    }

    /// Lets a few frames go by, so that everything that was asked for is in its place.
    pub fn settle(&self) {
        for _ in 0..2 {
            mock_elapsed_time(FRAME);
            self.pixels();
        }
    }

    pub fn pixels(&self) -> SharedPixelBuffer<Rgba8Pixel> {
        self.window.window().take_snapshot().expect("the software renderer takes snapshots")
    }

    pub fn picture(&self) -> Picture {
        let buffer = self.pixels();
        let pixels =
            buffer.as_slice().iter().map(|pixel| [pixel.r, pixel.g, pixel.b, pixel.a]).collect();
        Picture { width: buffer.width(), height: buffer.height(), pixels }
    }

    /// Draws everything larger from the next frame on, in a window of the same size to its content.
    pub fn set_scale(&self, scale: f32) {
        let window = self.window.window();
        let size = window.size().to_logical(window.scale_factor());
        window.dispatch_event(WindowEvent::ScaleFactorChanged { scale_factor: scale });
        window.set_size(size.to_physical(scale));
        // The testing backend takes physical pixels for logical ones there; this says how large the content is.
        window.dispatch_event(WindowEvent::Resized { size });
    }

    /// The texts on the screen, those of controls included.
    pub fn words(&self) -> Vec<String> {
        let labelled = |element: ElementHandle| element.accessible_label();
        let found = ElementQuery::from_root(&self.window).match_descendants().find_all();
        let mut words: Vec<String> =
            found.into_iter().filter_map(labelled).map(String::from).collect();
        words.dedup();
        words
    }

    pub fn says(&self, words: &str) -> bool {
        self.words().iter().any(|label| label == words)
    }

    #[track_caller]
    pub fn expect(&self, words: &str) {
        assert!(self.says(words), "{words:?} is not on the screen: {:#?}", self.words());
    }

    #[track_caller]
    pub fn find(&self, role: AccessibleRole, label: &str) -> ElementHandle {
        let wanted = label.to_owned();
        let query = ElementQuery::from_root(&self.window).match_descendants();
        let found = query
            .match_accessible_role(role)
            .match_predicate(move |element| {
                element.accessible_label().is_some_and(|label| label == wanted.as_str())
            })
            .find_first();
        found.unwrap_or_else(|| panic!("no {role:?} {label:?} on the screen: {:#?}", self.words()))
    }

    #[track_caller]
    pub fn field(&self, label: &str) -> ElementHandle {
        self.find(AccessibleRole::TextInput, label)
    }

    /// What stands in a field, if it is on the screen.
    pub fn shown_value(&self, label: &str) -> Option<String> {
        let wanted = label.to_owned();
        let query = ElementQuery::from_root(&self.window).match_descendants();
        let field = query
            .match_accessible_role(AccessibleRole::TextInput)
            .match_predicate(move |element| {
                element.accessible_label().is_some_and(|label| label == wanted.as_str())
            })
            .find_first()?;
        field.accessible_value().map(String::from)
    }

    #[track_caller]
    pub fn press(&self, label: &str) {
        self.find(AccessibleRole::Button, label).invoke_accessible_default_action();
        self.settle();
    }

    #[track_caller]
    pub fn click(&self, role: AccessibleRole, label: &str) {
        self.find(role, label).mock_single_click(PointerEventButton::Left);
        self.settle();
    }

    /// Everything that can be chosen or pressed, in the order of the keyboard.
    pub fn controls(&self) -> Vec<ElementHandle> {
        let query = ElementQuery::from_root(&self.window).match_descendants();
        let is_control = |element: &ElementHandle| {
            use AccessibleRole::{Button, RadioButton, Switch};
            matches!(element.accessible_role(), Some(Button | RadioButton | Switch))
        };
        let mut found: Vec<ElementHandle> =
            query.find_all().into_iter().filter(is_control).collect();
        // What is repeated in the window is found more than once.
        let mut seen = Vec::new();
        found.retain(|element| {
            let place = (element.accessible_label(), element.absolute_position().x.to_bits());
            let place = (place, element.absolute_position().y.to_bits());
            let first = !seen.contains(&place);
            seen.push(place);
            first
        });
        found
    }

    /// The rows in sight: what a screen reader says of each, by their place in the list.
    pub fn rows(&self) -> BTreeMap<usize, String> {
        let query = ElementQuery::from_root(&self.window).match_descendants();
        let rows = query.match_accessible_role(AccessibleRole::ListItem).find_all();
        rows.into_iter()
            .filter_map(|row| Some((row.accessible_item_index()?, row.accessible_label()?.into())))
            .collect()
    }

    /// The selected row.
    pub fn selected(&self) -> Option<String> {
        let query = ElementQuery::from_root(&self.window).match_descendants();
        let rows = query.match_accessible_role(AccessibleRole::ListItem).find_all();
        let selected = rows.into_iter().find(|row| row.accessible_item_selected() == Some(true));
        selected.and_then(|row| row.accessible_label()).map(String::from)
    }

    pub fn key(&self, key: Key) {
        self.stroke(SharedString::from(key));
    }

    /// Presses a key while Control is held.
    pub fn control(&self, letter: char) {
        let control = SharedString::from(Key::Control);
        self.window.window().dispatch_event(WindowEvent::KeyPressed { text: control.clone() });
        self.stroke(SharedString::from(letter));
        self.window.window().dispatch_event(WindowEvent::KeyReleased { text: control });
    }

    pub fn type_text(&self, text: &str) {
        for letter in text.chars() {
            self.stroke(SharedString::from(letter));
        }
    }

    fn stroke(&self, text: SharedString) {
        self.window.window().dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
        self.window.window().dispatch_event(WindowEvent::KeyReleased { text });
        self.settle();
    }
}
