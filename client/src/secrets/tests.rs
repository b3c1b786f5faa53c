use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A folder of this test's own, removed with its contents.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("herenow-device-{:016x}", rand::random::<u64>());
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
    assert_eq!(
        fs::read_dir(&folder).expect("the folder is there").count(),
        1,
        "no draft stays"
    );
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

#[test]
fn the_state_folder_is_found_as_the_specification_says() {
    let path = |text: &str| Some(PathBuf::from(text));
    let found = |state, home| state_folder(state, home).ok();
    assert_eq!(found(path("/s"), path("/h")), path("/s/herenow"));
    assert_eq!(found(path("relative"), path("/h")), path("/h/.local/state/herenow"));
    assert_eq!(found(None, path("/h")), path("/h/.local/state/herenow"));
    assert_eq!(found(None, path("")), None);
}
