//! Palette: colours by meaning, where colours are wanted.

use crate::admin::Mood;
use ratatui::style::{Color, Modifier, Style};

/// Colours by meaning; none where they are not wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    colour: bool,
}

impl Palette {
    pub(super) const fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn well(self) -> Style {
        self.of(Color::Green)
    }

    pub(super) fn plot(self) -> Style {
        self.of(Color::Cyan)
    }

    pub(super) fn look(self) -> Style {
        self.of(Color::Yellow)
    }

    /// What is wrong stands out without colours too.
    pub(super) fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn mood(self, mood: Mood) -> Style {
        match mood {
            Mood::Well => self.well(),
            Mood::Attention | Mood::Maintenance => self.look(),
            Mood::Trouble | Mood::Down => self.bad(),
        }
    }

    pub(super) fn state(self, state: &str) -> Style {
        match state {
            "up" | "warming" => self.well(),
            "drained" => self.look(),
            _ => self.bad(),
        }
    }

    /// Of a count that should be zero.
    pub(super) fn failed(self, count: u64) -> Style {
        if count > 0 { self.bad() } else { Style::new() }
    }
}
