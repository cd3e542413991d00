use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn wish(how: How, total: u64, min: u64) -> Wish {
    Wish {
        how,
        total,
        min,
        home: false,
    }
}

fn weighted(weights: &[u64], had: &[u64]) -> Vec<Share> {
    weights
        .iter()
        .zip(had)
        .map(|(weight, had)| Share {
            had: *had,
            cap: u64::MAX,
            weight: *weight,
            ..Share::default()
        })
        .collect()
}

fn with_room(had: &[u64], room: &[u64]) -> Vec<Share> {
    had.iter()
        .zip(room)
        .map(|(had, room)| Share {
            had: *had,
            cap: had + room,
            ..Share::default()
        })
        .collect()
}

#[rstest]
#[case::by_weight(&[2, 1, 1], &[0, 0, 0], 8, &[4, 2, 2])]
#[case::the_largest_remainder_gets_the_rest(&[3, 2, 2], &[0, 0, 0], 10, &[4, 3, 3])]
#[case::of_equal_remainders_the_first(&[1, 1, 1], &[0, 0, 0], 4, &[2, 1, 1])]
#[case::fewer_than_members(&[1, 1, 1], &[0, 0, 0], 2, &[1, 1, 0])]
#[case::without_weight_none(&[1, 0], &[0, 0], 3, &[3, 0])]
#[case::what_is_right_stays(&[1, 1], &[5, 1], 6, &[5, 1])]
#[case::more_go_to_who_has_too_few(&[1, 1], &[5, 1], 8, &[5, 3])]
#[case::fewer_come_from_who_has_too_many(&[1, 1], &[5, 1], 4, &[3, 1])]
#[case::nothing(&[1, 1], &[5, 1], 0, &[0, 0])]
fn replicas_follow_weights(
    #[case] weights: &[u64],
    #[case] had: &[u64],
    #[case] total: u64,
    #[case] expected: &[u64],
) {
    let division = divide(wish(How::Weighted, total, 0), &weighted(weights, had));
    assert_eq!(
        division,
        Division {
            replicas: expected.to_vec(),
            left: 0
        }
    );
}

#[rstest]
#[case::by_what_is_free(How::Capacity, &[0, 0, 0], &[20, 10, 10], 20, &[10, 5, 5], 0)]
#[case::no_more_than_fit(How::Capacity, &[0, 0], &[3, 2], 9, &[3, 2], 4)]
#[case::added_where_there_is_room(How::Capacity, &[4, 4], &[0, 6], 10, &[4, 6], 0)]
#[case::taken_from_the_fullest(How::Capacity, &[5, 5], &[0, 5], 8, &[3, 5], 0)]
#[case::packed_into_the_smallest_that_holds(How::Packed, &[0, 0, 0], &[9, 5, 4], 4, &[0, 0, 4], 0)]
#[case::packed_into_few(How::Packed, &[0, 0, 0], &[9, 5, 4], 12, &[9, 0, 3], 0)]
#[case::packed_beside_what_is_there(How::Packed, &[0, 2], &[9, 5], 5, &[0, 5], 0)]
#[case::packed_and_the_smallest_emptied(How::Packed, &[4, 2], &[9, 9], 3, &[3, 0], 0)]
fn replicas_go_where_room_is(
    #[case] how: How,
    #[case] had: &[u64],
    #[case] room: &[u64],
    #[case] total: u64,
    #[case] expected: &[u64],
    #[case] left: u64,
) {
    let division = divide(wish(how, total, 0), &with_room(had, room));
    assert_eq!(
        division,
        Division {
            replicas: expected.to_vec(),
            left
        }
    );
}

#[rstest]
#[case::enough_or_nothing(How::Weighted, 5, 3, &[5, 0])]
#[case::both_get_enough(How::Weighted, 7, 3, &[4, 3])]
#[case::too_few_for_anyone(How::Weighted, 2, 3, &[0, 0])]
#[case::packed_leaves_enough_for_the_next(How::Packed, 11, 3, &[8, 3])]
fn a_member_has_at_least_the_minimum_or_nothing(
    #[case] how: How,
    #[case] total: u64,
    #[case] min: u64,
    #[case] expected: &[u64],
) {
    let shares = [10, 9].map(|cap| Share {
        cap,
        weight: 1,
        ..Share::default()
    });
    assert_eq!(divide(wish(how, total, min), &shares).replicas, expected);
}

#[test]
fn replicas_that_are_not_ready_go_first() {
    let mut shares = weighted(&[1, 1], &[4, 4]);
    shares[0].spare = 3;
    assert_eq!(divide(wish(How::Weighted, 5, 0), &shares).replicas, [1, 4]);
}

#[test]
fn a_later_rank_gets_what_the_earlier_cannot_hold_and_loses_it_first() {
    let mut shares = with_room(&[0, 0, 0], &[4, 2, 9]);
    shares[2].rank = 1;
    assert_eq!(divide(wish(How::Capacity, 8, 0), &shares).replicas, [4, 2, 2]);
    let mut shares = with_room(&[4, 2, 2], &[0, 0, 7]);
    shares[2].rank = 1;
    assert_eq!(divide(wish(How::Capacity, 7, 0), &shares).replicas, [4, 2, 1]);
}

#[test]
fn what_was_spilled_comes_home_when_there_is_room() {
    let mut shares = with_room(&[4, 3], &[2, 9]);
    shares[1].rank = 1;
    let home = Wish {
        home: true,
        ..wish(How::Capacity, 7, 0)
    };
    assert_eq!(divide(home, &shares).replicas, [6, 1]);
    assert_eq!(
        divide(wish(How::Capacity, 7, 0), &shares).replicas,
        [4, 3],
        "unless it is not asked for"
    );
}

fn share() -> impl Strategy<Value = Share> {
    (
        0..12_u64,
        any::<bool>(),
        0..30_u64,
        0..5_u64,
        0..4_u64,
        0..2_usize,
    )
        .prop_map(|(had, floor, more, weight, spare, rank)| Share {
            had,
            floor,
            cap: had + more,
            frozen: false,
            weight,
            spare,
            rank,
        })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Weighted), Just(How::Capacity), Just(How::Packed)]
}

fn again(division: &Division, shares: &[Share]) -> Vec<Share> {
    let now = |(share, has): (&Share, &u64)| Share { had: *has, ..*share };
    shares.iter().zip(&division.replicas).map(now).collect()
}

proptest! {
    #[test]
    fn replicas_are_conserved_and_bounds_hold(
        how in how(), total in 0..60_u64, min in 0..5_u64, shares in prop::collection::vec(share(), 0..8)
    ) {
        let floors = shares.iter().filter(|share| share.floor && share.cap >= min.max(1)).count() as u64;
        prop_assume!(floors * min.max(1) <= total);
        let division = divide(wish(how, total, min), &shares);
        prop_assert_eq!(division.replicas.iter().sum::<u64>() + division.left, total);
        for (share, has) in shares.iter().zip(&division.replicas) {
            prop_assert!(*has <= share.cap);
            prop_assert!(*has == 0 || *has >= min);
            prop_assert!(!share.floor || share.cap < min.max(1) || *has >= min.max(1));
        }
    }

    #[test]
    fn dividing_again_changes_nothing(
        how in how(), total in 0..60_u64, min in 0..5_u64, shares in prop::collection::vec(share(), 0..8)
    ) {
        let floors = shares.iter().filter(|share| share.floor && share.cap >= min.max(1)).count() as u64;
        prop_assume!(floors * min.max(1) <= total);
        let first = divide(wish(how, total, min), &shares);
        let second = divide(wish(how, total, min), &again(&first, &shares));
        prop_assert_eq!(first, second);
    }

    /// Without a lower bound nothing but the difference moves.
    #[test]
    fn only_what_must_move_moves(
        how in how(), total in 0..60_u64, mut shares in prop::collection::vec(share(), 1..8)
    ) {
        for share in &mut shares {
            share.floor = false;
        }
        let before: u64 = shares.iter().map(|share| share.had).sum();
        let division = divide(wish(how, total, 0), &shares);
        for (share, has) in shares.iter().zip(&division.replicas) {
            if total >= before {
                prop_assert!(*has >= share.had);
            } else {
                prop_assert!(*has <= share.had);
            }
        }
    }

    /// One after the other gives what all at once gives.
    #[test]
    fn shares_by_weight_grow_with_the_number(weights in prop::collection::vec(1..6_u64, 1..6), total in 0..40_u64) {
        let zeros = vec![0; weights.len()];
        let shares = weighted(&weights, &zeros);
        let at_once = divide(wish(How::Weighted, total, 0), &shares).replicas;
        let sum: u64 = weights.iter().sum();
        for (weight, has) in weights.iter().zip(&at_once) {
            let exact = total * weight / sum;
            prop_assert!((exact..=exact + 1).contains(has));
        }
    }

    /// What was placed stays placed when there is more room.
    #[test]
    fn more_room_never_places_less(
        total in 0..60_u64, shares in prop::collection::vec(share(), 1..8), at in any::<prop::sample::Index>(), more in 1..9_u64
    ) {
        let shares: Vec<Share> = shares.into_iter().map(|share| Share { floor: false, ..share }).collect();
        let mut larger = shares.clone();
        larger[at.index(shares.len())].cap += more;
        let (one, other) = (divide(wish(How::Capacity, total, 0), &shares), divide(wish(How::Capacity, total, 0), &larger));
        prop_assert!(other.left <= one.left);
    }
}
