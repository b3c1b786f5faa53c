//! Compiles the window's description in `ui/` to Rust.

fn main() {
    // Debug builds keep the names of elements, by which the tests find them.
    let debug = std::env::var("PROFILE").as_deref() == Ok("debug");
    let config = slint_build::CompilerConfiguration::new()
        .with_style("fluent".into())
        .with_bundled_translations("lang")
        // The same words mean the same wherever they stand; where they do not, `@tr` says so.
        .with_default_translation_context(slint_build::DefaultTranslationContext::None)
        .with_debug_info(debug);
    slint_build::compile_with_config("../ui/app-window.slint", config)
        .expect("the files in ui/ compile");
}
