//! Where text may be cut without taking apart what a reader sees as one character.

use unicode_segmentation::UnicodeSegmentation as _;

/// The last end of a whole grapheme cluster (UAX 29) at or before `length`; 0 if the first one is longer. Work is within
/// `length`, however long the clusters are.
pub(super) fn whole_clusters(text: &str, length: usize) -> usize {
    let most = floor(text, length);
    let Some(next) = text.get(most..).and_then(|rest| rest.chars().next()) else {
        return text.len();
    };
    // Nearly always a letter stands on both sides.
    let before = text.as_bytes().get(most.wrapping_sub(1));
    if next.is_ascii() && before.is_some_and(u8::is_ascii) {
        return most;
    }
    // One character behind tells whether a cluster goes on.
    let window = text.get(..most + next.len_utf8()).unwrap_or(text);
    let ends = window.grapheme_indices(true).map(|(start, _)| start);
    ends.take_while(|start| *start <= most).last().unwrap_or_default()
}

/// The last end of a character at or before `length`.
pub(super) fn floor(text: &str, length: usize) -> usize {
    (0..=length.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A family, a flag, a thumb with a skin tone, a keycap, the flag of Scotland, letters with marks, Hangul.
    const CLUSTERS: [&str; 9] = [
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}",
        "\u{1f1e9}\u{1f1ea}",
        "\u{1f44d}\u{1f3fd}",
        "1\u{fe0f}\u{20e3}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        "e\u{301}\u{302}",
        "\u{915}\u{94d}\u{937}\u{93f}",
        "\u{1112}\u{1161}\u{11ab}",
        "a",
    ];

    #[test]
    fn a_cut_is_at_the_end_of_a_cluster() {
        for cluster in CLUSTERS {
            let text = cluster.repeat(5);
            for length in 0..=text.len() {
                assert_eq!(whole_clusters(&text, length), length / cluster.len() * cluster.len(), "{cluster} {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_window_finds_what_the_whole_text_tells(
            clusters in prop::collection::vec(prop::sample::select(&CLUSTERS[..]), 0..6), other in "\\PC{0,5}", length in 0_usize..99
        ) {
            let text = clusters.concat() + &other;
            let ends = text.grapheme_indices(true).map(|(start, cluster)| start + cluster.len());
            let wanted = ends.take_while(|end| *end <= length).last().unwrap_or_default();
            prop_assert_eq!(whole_clusters(&text, length), wanted);
        }
    }
}
