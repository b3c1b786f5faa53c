use herenow_client::Disconnect;
use herenow_client::protocol::{Epoch, ErrorCode, SessionId, Welcome};

use super::*;

const WALL_MS: u64 = 1_800_000_000_000;

fn text(words: &str) -> StatusText {
    StatusText::new(words).expect("a valid text")
}

fn mirror(status: Status) -> Event {
    Event::Mirror(Some(Presence::chosen(status, text("said"))))
}

fn welcome(resumed: bool) -> Event {
    Event::SignedIn(Welcome {
        version: 1,
        session: SessionId(1),
        heartbeat_ms: 2_000,
        misses: 5,
        detection_bound_ms: 10_500,
        epoch: Epoch([0; 16]),
        frame_bytes_max: 4_096,
        server: String::new(),
        token: None,
        resumed,
        resume_window_ms: 0,
        views: Vec::new(),
        credential_ms: 0,
    })
}

fn tell(own: &mut Own, events: &[Event]) {
    let mut news = OwnNews::default();
    events.iter().for_each(|event| news.add(event));
    own.apply(news, WALL_MS);
}

fn told(events: &[Event]) -> Own {
    let mut own = Own::default();
    tell(&mut own, events);
    own
}

#[test]
fn others_may_see_the_user_differently_for_good() {
    let cases = [
        (Event::Mirror(None), Seen::Hidden),
        (mirror(Status::Busy), Seen::As(Status::Busy)),
        (mirror(Status::Available), Seen::AsChosen),
    ];
    for (event, seen) in cases {
        assert_eq!(told(&[welcome(false), event.clone()]).seen(), seen, "{event:?}");
    }
}

#[test]
fn who_chose_to_be_invisible_need_not_be_told_that_nobody_sees_them() {
    let mut own = Own::default();
    let choice = own.choose(Status::Invisible);
    tell(&mut own, &[Event::Accepted(choice), Event::Mirror(None)]);
    assert_eq!(own.seen(), Seen::AsChosen);
    tell(&mut own, &[mirror(Status::Available)]);
    assert_eq!(own.seen(), Seen::As(Status::Available), "which must not happen, and must be told");
}

#[test]
fn a_choice_under_way_is_no_difference_until_it_is_settled() {
    let mut own = told(&[mirror(Status::Available)]);
    let choice = own.choose(Status::Busy);
    assert_eq!(own.seen(), Seen::AsChosen, "nothing is known of it yet");
    tell(&mut own, &[mirror(Status::Away)]);
    assert_eq!(own.seen(), Seen::AsChosen, "that was said of the choice before");
    tell(&mut own, &[Event::Accepted(choice)]);
    assert_eq!(own.seen(), Seen::AsChosen, "how others see it is not told yet");
    tell(&mut own, &[mirror(Status::Away)]);
    assert_eq!(own.seen(), Seen::As(Status::Away));
}

#[test]
fn an_answer_to_the_choice_before_settles_nothing() {
    let mut own = Own::default();
    let first = own.choose(Status::Busy);
    let second = own.choose(Status::Away);
    tell(&mut own, &[Event::Accepted(first), mirror(Status::Busy)]);
    assert_eq!((own.status(), own.seen()), (Status::Away, Seen::AsChosen));
    tell(&mut own, &[Event::Accepted(second), mirror(Status::Busy)]);
    assert_eq!((own.status(), own.seen()), (Status::Away, Seen::As(Status::Busy)));
}

#[test]
fn a_refusal_or_a_new_session_settles_a_choice() {
    let refused = Event::Refused { code: ErrorCode::BadRequest, text: String::new() };
    let mut own = told(&[mirror(Status::Available)]);
    own.choose(Status::Busy);
    tell(&mut own, &[refused]);
    assert_eq!(own.seen(), Seen::As(Status::Available));

    own.choose(Status::Away);
    let closed = Event::Closed { reason: Disconnect::ConnectionReset, retry_in: None };
    tell(&mut own, &[closed, welcome(true), mirror(Status::Available)]);
    assert_eq!(own.seen(), Seen::AsChosen, "a session that goes on is asked again");
    tell(&mut own, &[welcome(false), mirror(Status::Available)]);
    assert_eq!(own.seen(), Seen::As(Status::Available));
}

#[test]
fn what_was_chosen_for_this_device_elsewhere_is_its_choice() {
    let mut own = Own::default();
    let text_for = Some(Duration::from_secs(60));
    let chosen = Choice { text_for, ..Choice::chosen(Status::Busy, text("from a script")) };
    tell(&mut own, &[Event::Chosen(chosen.clone())]);
    assert_eq!((own.status(), own.text().as_str()), (Status::Busy, "from a script"));
    assert_eq!(own.until_ms(), WALL_MS + 60_000);
    assert_eq!(own.choice(), Choice { status: Status::Busy, ..Choice::default() });

    own.choose(Status::Away);
    tell(&mut own, &[Event::Chosen(chosen)]);
    assert_eq!(own.status(), Status::Away, "what is under way comes later, and wins");
}

#[test]
fn a_text_is_kept_as_long_as_asked_and_leaves_the_status_alone() {
    let mut own = Own::default();
    let choice = own.say(text("Lunch"), Keep::HalfHour, WALL_MS);
    assert_eq!((choice.status, choice.automatic), (Status::Available, true));
    assert_eq!(choice.text, Some(text("Lunch")));
    assert_eq!(choice.text_for, Some(Duration::from_secs(1_800)));
    assert_eq!(own.until_ms(), WALL_MS + 1_800_000);
    assert_eq!(own.say(text("Back"), Keep::Always, WALL_MS).text_for, None);
    assert_eq!(own.say(text(""), Keep::Hour, WALL_MS).text_for, None, "no text, no end of it");
    assert_eq!((own.until_ms(), own.choose(Status::Busy).text), (0, None));
}

#[test]
fn the_text_is_the_users_from_whatever_device_it_comes() {
    let presence =
        Presence { until_ms: 9, ..Presence::chosen(Status::Available, text("from the phone")) };
    let mut own = told(&[Event::Mirror(Some(presence))]);
    assert_eq!((own.text().as_str(), own.until_ms()), ("from the phone", 9));
    let choice = own.say(text("from here"), Keep::Always, WALL_MS);
    tell(&mut own, &[mirror(Status::Available)]);
    assert_eq!(own.text().as_str(), "from here", "what is under way is newer");
    tell(&mut own, &[Event::Accepted(choice), mirror(Status::Available)]);
    assert_eq!(own.text().as_str(), "said");
}

#[test]
fn a_new_session_begins_with_the_same_choice_and_knows_nothing_of_others() {
    let mut own = told(&[mirror(Status::Busy)]);
    own.choose(Status::Away);
    let anew = own.anew();
    assert_eq!(anew.choice(), Choice { status: Status::Away, ..Choice::default() });
    assert_eq!(anew.seen(), Seen::AsChosen);
}
