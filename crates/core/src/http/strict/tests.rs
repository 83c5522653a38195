use proptest::prelude::*;

use super::*;

fn gate() -> Gate {
    Gate::new(&Limits { head_bytes: 1024, target_bytes: 256, header_count: 8, body_bytes: 1024, ..Limits::default() })
}

/// Feeds the bytes in pieces and returns what passed and the refusal.
fn feed<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> (Vec<u8>, Option<Refusal>) {
    let (mut gate, mut passed) = (gate(), Vec::new());
    for piece in pieces {
        if gate.is_empty() {
            let count = gate.admit(piece);
            passed.extend_from_slice(&piece[..count]);
        } else {
            gate.hold(piece);
        }
        passed.extend(gate.take(usize::MAX));
        if gate.refusal().is_some() {
            break;
        }
    }
    (passed, gate.refusal())
}

fn refused(bytes: &[u8]) -> Option<&'static str> {
    feed([bytes]).1.map(|refusal| refusal.detail)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n";

#[test]
fn whole_messages_pass_unchanged_and_the_start_of_a_head_waits() {
    let bytes = [GET, POST, CHUNKED, GET, b"GET /half"].concat();
    let (passed, refusal) = feed([&*bytes]);
    assert_eq!(refusal, None);
    assert_eq!(passed, bytes[..bytes.len() - 9]);
}

#[test]
fn what_comes_before_a_refused_message_passes() {
    let (passed, refusal) = feed([&*[POST, b"GET / HTTP/1.1\nHost: a\r\n\r\n"].concat()]);
    assert_eq!(passed, POST);
    assert!(refusal.is_some_and(|refusal| refusal.status == StatusCode::BAD_REQUEST));
}

#[test]
fn two_ways_to_say_the_length_are_refused() {
    let with = |fields: &str| refused(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").as_bytes());
    assert!(with("Content-Length: 5\r\nTransfer-Encoding: chunked").is_some());
    assert!(with("Content-Length: 5\r\nContent-Length: 5").is_some());
    assert!(with("Content-Length: +5").is_some());
    assert!(with("Content-Length: 99999999999999999999").is_some());
    assert!(with("Transfer-Encoding: gzip, chunked").is_some());
    assert!(with("Transfer-Encoding : chunked").is_some());
    assert!(with("Transfer-Encoding: CHUNKED").is_none());
}

#[test]
fn limits_have_their_own_status() {
    let status = |bytes: &[u8]| feed([bytes]).1.map(|refusal| refusal.status.as_u16());
    assert_eq!(status(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(300)).as_bytes()), Some(414));
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1024)).as_bytes()), Some(431));
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(8)).as_bytes()), Some(431));
    assert_eq!(status(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n"), Some(413));
    assert_eq!(status(&[b'x'; 400]), Some(414));
}

#[test]
fn bytes_that_can_never_become_a_head_are_refused_at_once() {
    assert!(refused(b"\x16\x03\x01\x02\x00\x01").is_some());
    assert!(refused(b"GET / HT\rTP").is_some());
}

proptest! {
    #[test]
    fn where_the_bytes_are_cut_does_not_matter(
        bytes in prop::collection::vec(prop_oneof![Just(GET), Just(POST), Just(CHUNKED), Just(&b"\r\n"[..]), Just(&b"5"[..]), Just(&b"X: y\r\n"[..])], 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = bytes.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).filter(|piece| !piece.is_empty()).collect();
        let (whole, whole_refusal) = feed([&*bytes]);
        let (parts, parts_refusal) = feed(pieces);
        prop_assert_eq!(whole_refusal.map(|refusal| refusal.status), parts_refusal.map(|refusal| refusal.status));
        // A refused body may have passed in part; what hyper sees of it differs only in how far it went.
        if whole_refusal.is_none() {
            prop_assert_eq!(whole, parts);
        }
    }

    #[test]
    fn any_bytes_at_all_are_answered_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        feed(bytes.chunks(7));
    }
}
