//! What is refused, and that the refusal says which file and what to do.

use super::*;

#[track_caller]
fn refusal(dir: &Path) -> StoreError {
    match Store::open(dir, options()) {
        Ok(_) => panic!("it was opened"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(dir.to_str().unwrap()), "says where: {text}");
            assert!(text.contains(". ") || text.contains(": "), "says what to do: {text}");
            error
        }
    }
}

#[test]
fn a_second_server_on_the_directory_is_refused() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    let error = refusal(&temp.data());
    let StoreError::InUse { pid, .. } = error else { panic!("{error}") };
    assert_eq!(pid, Some(process::id()));
    wait_for_commit(&store, store.write(vec![offline("ada", 1)]));
    assert_eq!(state(&store), StoreState::Written, "the first goes on");
    store.close(true);
    open(&temp.data()).0.close(true);
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let temp = TempDir::new();
    open(&temp.data()).0.close(true);
    tool(&temp.data()).pragma_update(None, "user_version", 999).unwrap();
    let before = fs::read(temp.data().join("herenow.db")).unwrap();
    assert!(matches!(refusal(&temp.data()), StoreError::Newer { found: 999, .. }));
    let error = LogReader::open(&temp.data()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error}");
    assert_eq!(fs::read(temp.data().join("herenow.db")).unwrap(), before);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let temp = TempDir::new();
    fs::create_dir(temp.data()).unwrap();
    let file = temp.data().join("herenow.db");
    let text = "somebody's notes, not a database\n".repeat(99);
    fs::write(&file, &text).unwrap();
    assert!(matches!(refusal(&temp.data()), StoreError::NotOurs { .. }));
    assert!(matches!(LogReader::open(&temp.data()), Err(StoreError::NotOurs { .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn the_database_of_another_program_is_refused() {
    let temp = TempDir::new();
    fs::create_dir(temp.data()).unwrap();
    tool(&temp.data()).execute_batch("CREATE TABLE recipe (name TEXT)").unwrap();
    assert!(matches!(refusal(&temp.data()), StoreError::NotOurs { .. }));
}

#[test]
fn a_directory_that_cannot_be_made_is_refused() {
    let temp = TempDir::new();
    let file = temp.0.join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(refusal(&file.join("data")), StoreError::Directory { .. }));
    assert!(matches!(refusal(&file), StoreError::Directory { .. }));
}

#[test]
fn an_unwritable_directory_is_refused() {
    // Root may write anywhere but here.
    let dir = Path::new("/proc/self");
    assert!(matches!(refusal(dir), StoreError::Directory { .. }));
}

#[test]
fn a_row_that_cannot_be_is_named() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    store.write(vec![Record::Session(Box::new(session(1, "ada")))]);
    store.close(true);
    tool(&temp.data()).execute("UPDATE session SET status = 'asleep'", []).unwrap();
    let error = refusal(&temp.data());
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("table session has a wrong status"), "{error}");
}

#[test]
fn a_damaged_file_is_refused() {
    let temp = TempDir::new();
    open(&temp.data()).0.close(true);
    let file = temp.data().join("herenow.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4_096..].fill(0xAA);
    fs::write(&file, bytes).unwrap();
    assert!(matches!(refusal(&temp.data()), StoreError::Damaged { .. }));
}

#[test]
fn a_log_that_is_not_there_is_told() {
    let temp = TempDir::new();
    let error = LogReader::open(&temp.data()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(!temp.data().exists(), "a reader makes nothing");
}
