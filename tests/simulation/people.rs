//! People with several devices, and people who hide.

use herenow_client::protocol::{
    Choice, CloseReason, DeviceLabel, DisplayName, RoomName, Status, UserKey, WatchTarget,
};
use herenow_client::session::Command;
use herenow_client::{Options, ViewKey};

use crate::world::cable::Parcel;
use crate::world::{DELIVERY_MAX, Who, World};
use crate::{GRACE, RESUME_WINDOW, SECOND, assert_all_exact};

/// The default heartbeat, and the way there and back.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_millis(2_060);

/// A device of Ada's, who has a key.
fn ada_on(label: &'static str) -> impl FnOnce(&mut Options) {
    move |options| {
        options.label = DeviceLabel::new(label).expect("a test label is valid");
        options.key = Some(UserKey([7; 16]));
    }
}

fn devices(world: &World, name: &str) -> Vec<String> {
    let listed = world.listed();
    let devices = listed[name].devices.as_slice().iter();
    devices.map(|label| label.as_str().to_owned()).collect()
}

/// Bob, who watches the lobby and a list of people, and Ada on two devices.
fn bob_and_ada(seed: u64) -> (World, Who, Who, Who) {
    let mut world = World::seeded(seed);
    let bob = world.join_as("bob", "desk", |options| {
        let names = vec![DisplayName::new("ada").expect("valid")];
        options.views =
            vec![WatchTarget::Room(RoomName::lobby()), WatchTarget::People { names, view: None }];
    });
    let laptop = world.join_as("ada", "laptop", ada_on("laptop"));
    world.advance(SECOND);
    let phone = world.join_as("ada", "phone", ada_on("phone"));
    world.advance(SECOND);
    (world, bob, laptop, phone)
}

#[test]
fn two_devices_are_one_person_and_one_that_closes_is_no_leave() {
    let (mut world, bob, laptop, phone) = bob_and_ada(1);
    assert_eq!(devices(&world, "ada"), ["laptop", "phone"]);
    world.goodbye(laptop);
    world.advance(SECOND);
    assert_eq!(devices(&world, "ada"), ["phone"]);
    assert_all_exact(&world, &[(phone, "ada"), (bob, "bob")], &[]);
    world.kill(phone, Parcel::Reset);
    world.advance(GRACE - SECOND);
    assert!(world.watcher(bob).departures.is_empty(), "in grace, the phone still counts");
    world.advance(SECOND * 2);
    assert_eq!(world.watcher(bob).causes("ada"), [CloseReason::ConnectionReset]);
}

#[test]
fn a_device_that_is_lost_goes_after_grace_and_the_person_stays() {
    let (mut world, bob, laptop, phone) = bob_and_ada(2);
    world.show(phone, Status::Busy, "on the phone");
    world.advance(SECOND);
    world.kill(phone, Parcel::End);
    world.advance(GRACE - SECOND);
    assert_eq!(devices(&world, "ada"), ["laptop", "phone"]);
    assert_eq!(world.listed()["ada"].presence.status, Status::Busy);
    world.advance(SECOND * 2);
    assert_eq!(devices(&world, "ada"), ["laptop"]);
    assert_eq!(world.listed()["ada"].presence.status, Status::Available, "what the laptop says");
    assert!(world.watcher(bob).departures.is_empty());
    assert_all_exact(&world, &[(laptop, "ada"), (bob, "bob")], &[]);
}

#[test]
fn statuses_of_several_devices_merge_as_documented() {
    let (mut world, bob, laptop, phone) = bob_and_ada(3);
    let idle = Choice::automatic(Status::Away);
    let steps = [
        (laptop, Choice::chosen(Status::Away, text("lunch")), Status::Away, "lunch"),
        (phone, Choice::chosen(Status::Available, text("")), Status::Available, ""),
        (phone, Choice::chosen(Status::Busy, text("call")), Status::Busy, "call"),
        (laptop, idle.clone(), Status::Busy, "call"),
        (phone, idle, Status::Away, "call"),
        (laptop, Choice::automatic(Status::Available), Status::Available, "call"),
    ];
    for (who, choice, status, words) in steps {
        world.command(who, Command::Choose(choice));
        world.advance(SECOND);
        let shown = &world.watcher(bob).shown()["ada"].presence;
        assert_eq!((shown.status, shown.text.as_str()), (status, words));
    }
    assert_all_exact(&world, &[(laptop, "ada"), (phone, "ada"), (bob, "bob")], &[]);
}

#[test]
fn a_text_goes_away_at_its_time_even_if_the_server_restarts_meanwhile() {
    for restarts in [false, true] {
        let mut world = World::with_state(7, herenow::config::Config::default(), false);
        let (ada, bob) = (world.join("ada"), world.join("bob"));
        world.advance(SECOND);
        let lunch =
            Choice { text_for: Some(SECOND * 30), ..Choice::chosen(Status::Away, text("lunch")) };
        world.command(ada, Command::Choose(lunch));
        world.advance(SECOND * 10);
        if restarts {
            world.kill_server();
            world.advance(SECOND * 2);
            world.start_server();
            world.advance(SECOND * 17);
        } else {
            world.advance(SECOND * 19);
        }
        assert_eq!(world.watcher(bob).shown()["ada"].presence.text.as_str(), "lunch");
        world.advance(SECOND * 2);
        let shown = &world.watcher(bob).shown()["ada"].presence;
        assert_eq!((shown.status, shown.text.as_str(), shown.until_ms), (Status::Away, "", 0));
        assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
    }
}

fn text(text: &str) -> herenow_client::protocol::StatusText {
    herenow_client::protocol::StatusText::new(text).expect("a test text is valid")
}

#[test]
fn another_device_needs_the_key() {
    let (mut world, bob, laptop, phone) = bob_and_ada(4);
    let wrong = |options: &mut Options| options.key = Some(UserKey([8; 16]));
    let strangers = [world.join("ada"), world.join_as("ada", "tablet", wrong)];
    world.advance(SECOND);
    for stranger in strangers {
        assert_eq!(world.watcher(stranger).closings[0].0, "name_in_use");
    }
    assert_all_exact(&world, &[(laptop, "ada"), (phone, "ada"), (bob, "bob")], &[]);
}

#[test]
fn who_hides_has_left_for_everyone_and_still_sees_everything() {
    let (mut world, bob, laptop, phone) = bob_and_ada(5);
    world.goodbye(phone);
    world.advance(SECOND);
    let hidden_at = world.moment().unix_ms;
    world.show(laptop, Status::Invisible, "psst");
    world.advance(SECOND);
    assert_eq!(world.watcher(bob).causes("ada"), [CloseReason::Goodbye]);
    let seen = &world.watcher(bob).lists[&ViewKey(1)].shown["ada"];
    assert_eq!((seen.presence.status, seen.presence.text.as_str()), (Status::Offline, ""));
    assert!(seen.since_ms.abs_diff(hidden_at) <= 30, "last seen when she hid");
    world.show(bob, Status::Away, "gone fishing");
    world.advance(SECOND);
    assert_eq!(world.watcher(laptop).shown()["bob"].presence.text.as_str(), "gone fishing");
    assert!(!world.is_over(laptop) && world.watcher(laptop).closings.is_empty());
    world.show(laptop, Status::Available, "back");
    world.advance(SECOND);
    assert_eq!(world.watcher(bob).arrivals.last().map(|(name, _)| name.as_str()), Some("ada"));
    assert_all_exact(&world, &[(laptop, "ada"), (bob, "bob")], &[]);
}

#[test]
fn a_client_that_believes_itself_shown_learns_within_a_heartbeat_that_it_is_hidden() {
    for seed in 0..50 {
        let (mut world, _, laptop, phone) = bob_and_ada(seed);
        world.advance(HEARTBEAT);
        let shown = world.watcher(laptop).mirrors.last().expect("an ack came").0.clone();
        assert_eq!(shown.map(|me| me.status), Some(Status::Available), "seed {seed}");
        world.show(phone, Status::Invisible, "");
        world.advance(DELIVERY_MAX + HEARTBEAT);
        assert_eq!(world.watcher(laptop).mirrors.last().map(|(me, _)| me), Some(&None), "{seed}");
    }
}

#[test]
fn an_ack_that_says_nobody_sees_it_is_news_to_a_client_that_believes_itself_shown() {
    for seed in 0..50 {
        let (mut world, _, laptop, _) = bob_and_ada(seed);
        world.advance(HEARTBEAT);
        let connection = world.connection(laptop).expect("it is connected");
        let server = world.server.as_mut().expect("it runs");
        // The plant: the registry lost the user, and told so, and nothing else.
        server.desks.get_mut(&connection).expect("it has a desk").outbox.set_me(None);
        world.advance(HEARTBEAT);
        assert_eq!(world.watcher(laptop).mirrors.last().map(|(me, _)| me), Some(&None), "{seed}");
    }
}

#[test]
fn whose_name_is_taken_while_hidden_is_told_on_every_device() {
    let (mut world, bob, laptop, phone) = bob_and_ada(6);
    world.show(phone, Status::Invisible, "");
    world.advance(RESUME_WINDOW - SECOND);
    let early = world.join_as("ada", "stranger", |_| {});
    world.advance(SECOND * 2);
    assert_eq!(world.watcher(early).closings[0].0, "name_in_use", "the name is kept for its key");
    let late = world.join_as("ada", "stranger", |_| {});
    world.advance(SECOND);
    for who in [laptop, phone] {
        assert_eq!(world.watcher(who).closings[0].0, "name_in_use");
        assert!(world.is_over(who), "and does not fight for it");
    }
    assert_all_exact(&world, &[(late, "ada"), (bob, "bob")], &[]);
}
