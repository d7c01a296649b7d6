//! The text of one `proxy.conf` to a value tree.
//!
//! Owns: what HOCON is taken here, and the places of keys and values. `hocon` is pinned to one version: values come
//! through its public face, places from its syntax tree, which it does not call stable.
//! Refused before its resolver sees them, because it takes them silently or for ever: texts cut off at `//`, a stray
//! `}`, deep or very many dotted keys (its time grows exponentially with their depth). Also refused: `include`;
//! directories are the way to spread a configuration over files.
//! Limits: 256 KiB a file, 8 names a key path, 200 dotted keys a file.

use super::environment::Environment;
use super::problem::{Origin, Problem, Source};
use super::tree::{Map, Value, from_hocon};
use hocon::parser::{AstField, AstNode, Pos};
use hocon::{HoconError, HoconValue, Token, TokenKind};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of one file. The complete reference file has under 50 KiB.
pub(super) const FILE_BYTES_MAX: usize = 256 * 1024;

/// Names in one key path. The longest key here has four.
pub(super) const PATH_NAMES_MAX: usize = 8;

/// Keys with dots in one file; each costs the resolver time proportional to all others.
const DOTTED_KEYS_MAX: usize = 200;

/// Parses a file.
///
/// # Errors
/// Every problem that can be told apart; the parser itself stops at the first one.
pub(super) fn parse(source: &Arc<Source>, environment: &Environment) -> Result<Map, Vec<Problem>> {
    let mut text = Text { source, lines: line_starts(&source.text), tokens: Vec::new() };
    if source.text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", source.text.len());
        return Err(vec![Problem::error(Origin::Path(source.path.clone()), message)]);
    }
    let tokens = hocon::tokenize(&source.text)
        .map_err(|error| vec![text.syntax_error(&error.message, error.line, error.col)])?;
    text.tokens = text.token_starts(&tokens);
    let traps = text.traps(&tokens);
    if !traps.is_empty() {
        return Err(traps);
    }
    let tree = hocon::parser::parse_tokens(&tokens)
        .map_err(|error| vec![text.syntax_error(&error.message, error.line, error.col)])?;
    let mut survey = Survey { text: &text, places: BTreeMap::new(), problems: Vec::new(), dotted: 0 };
    survey.object(&tree, &mut Vec::new());
    let Survey { places, problems, .. } = survey;
    if !problems.is_empty() {
        return Err(problems);
    }
    let value = resolve(&source.text, environment).map_err(|error| vec![text.resolve_error(error)])?;
    let whole = (text.origin(0..0), text.origin(0..0));
    let place = |path: &[String]| nearest(&places, path).unwrap_or_else(|| whole.clone());
    match from_hocon(value, &mut Vec::new(), &place).value {
        Value::Map(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

fn resolve(text: &str, environment: &Environment) -> Result<HoconValue, HoconError> {
    let variables = environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let config = hocon::parse_string_with_options(text, hocon::ParseOptions::defaults().with_env(variables))?;
    let fields = config.keys().into_iter().filter_map(|key| {
        // Config's own look-up takes a path, so a name with dots must be quoted for it.
        let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        config.get(&quoted).map(|value| (key.to_owned(), value.clone()))
    });
    Ok(HoconValue::Object(fields.collect()))
}

type Place = (Origin, Origin);

/// The place of `path`, or of what contains it: concatenated lists and substitutions have no place of their own.
fn nearest(places: &BTreeMap<Vec<String>, Place>, path: &[String]) -> Option<Place> {
    (1..=path.len()).rev().find_map(|length| places.get(path.get(..length)?).cloned())
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// A source with the starts of its lines and tokens.
struct Text<'a> {
    source: &'a Arc<Source>,
    lines: Vec<usize>,
    /// Line, column and byte, in order: without them, every place in a long line would mean counting its characters.
    tokens: Vec<(usize, usize, usize)>,
}

impl Text<'_> {
    /// The byte at a line and column, both from 1, columns in characters.
    fn offset(&self, line: usize, column: usize) -> usize {
        let known = self.tokens.binary_search_by_key(&(line, column), |token| (token.0, token.1));
        if let Some(token) = known.ok().and_then(|index| self.tokens.get(index)) {
            return token.2;
        }
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.source.text.len());
        let rest = self.source.text.get(start..).unwrap_or_default();
        rest.char_indices().nth(column.saturating_sub(1)).map_or(self.source.text.len(), |(at, _)| start + at)
    }

    fn token_starts(&self, tokens: &[Token]) -> Vec<(usize, usize, usize)> {
        let mut last = (0, 1, 0);
        let start = |token: &Token| {
            let line = self.lines.get(token.line.saturating_sub(1)).copied().unwrap_or(self.source.text.len());
            let (column, from) = if token.line == last.0 { (last.1, last.2) } else { (1, line) };
            let rest = self.source.text.get(from..).unwrap_or_default();
            let step = rest.char_indices().nth(token.col.saturating_sub(column)).map_or(rest.len(), |(at, _)| at);
            last = (token.line, token.col, from + step);
            last
        };
        tokens.iter().map(start).collect()
    }

    fn rest(&self, offset: usize) -> &str {
        self.source.text.get(offset..).unwrap_or_default()
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::Text { source: Arc::clone(self.source), span }
    }

    /// From `start` to the first of `ends`, outside quotes, without spaces at the end; at least one character.
    fn until(&self, start: usize, ends: &[char]) -> Range<usize> {
        let rest = self.rest(start);
        let mut quoted = false;
        let end = rest.find(|c: char| {
            quoted ^= c == '"';
            c == '\n' || (!quoted && ends.contains(&c))
        });
        let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let length = piece.split_once(" //").map_or(piece, |(before_comment, _)| before_comment).trim_end().len();
        let least = rest.chars().next().map_or(0, char::len_utf8);
        start..start + length.max(least)
    }

    fn key_at(&self, pos: &Pos) -> Origin {
        self.origin(self.until(self.offset(pos.line, pos.col), &[' ', '\t', ':', '=', '{', '+', '#']))
    }

    fn value_at(&self, node: &AstNode) -> Origin {
        let pos = position(node);
        let start = self.offset(pos.line, pos.col);
        // The parser's place of a list or section lies behind its bracket.
        let before = self.source.text.get(..start).unwrap_or_default().trim_end();
        match node {
            AstNode::Array { .. } | AstNode::Object { .. } if before.ends_with(['[', '{']) => {
                self.origin(before.len() - 1..before.len())
            }
            _ => self.origin(self.until(start, &[',', ']', '}', '#'])),
        }
    }

    fn syntax_error(&self, message: &str, line: usize, column: usize) -> Problem {
        let start = self.offset(line, column);
        let problem = Problem::error(self.origin(self.until(start, &[' ', '\t', ',', ']', '}'])), message);
        let hint = match message {
            message if message.contains("unterminated string") => "close the quotes on the same line",
            message if message.starts_with("expected }") => "a `{` is not closed",
            message if message.starts_with("expected ]") => "a `[` is not closed",
            message if message.contains("unexpected character") || message.contains("reserved character") => {
                "put the whole value in double quotes"
            }
            message if message.starts_with("expected value") => {
                "write a value after the key; texts with `:`, `[` or `*` need double quotes"
            }
            _ => return problem,
        };
        problem.hint(hint)
    }

    fn resolve_error(&self, error: HoconError) -> Problem {
        match error {
            HoconError::Parse(error) => self.syntax_error(&error.message, error.line, error.col),
            HoconError::Resolve(error) => {
                let problem = self.syntax_error(&error.message, error.line, error.col);
                let hint = format!("set the environment variable {}, or write `${{?{0}}}`", error.path);
                if error.path.is_empty() { problem } else { problem.hint(hint) }
            }
            error => Problem::error(self.origin(self.until(0, &[])), "a configuration is a list of keys, not an array")
                .hint(error.to_string()),
        }
    }

    /// What the parser would take without a word, although it loses text.
    fn traps(&self, tokens: &[Token]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut depth = 0_usize;
        for token in tokens {
            let start = self.offset(token.line, token.col);
            match token.kind {
                TokenKind::LBrace => depth += 1,
                TokenKind::RBrace if depth == 0 => {
                    let origin = self.origin(self.until(start, &[' ', ',']));
                    let problem = Problem::error(origin, "this `}` closes nothing");
                    problems.push(problem.hint("everything after it would be lost; remove it, or add the missing `{`"));
                }
                TokenKind::RBrace => depth -= 1,
                TokenKind::Colon | TokenKind::Unquoted => problems.extend(self.cut_text(token, start)),
                _ => {}
            }
        }
        problems
    }

    /// `https://host` and `a//b` without quotes: the rest would be a comment.
    fn cut_text(&self, token: &Token, start: usize) -> Option<Problem> {
        if !self.rest(start + token.value.len()).starts_with("//") {
            return None;
        }
        let line = self.lines.get(token.line.saturating_sub(1)).copied().unwrap_or(start);
        let word =
            self.source.text.get(line..start)?.rfind([' ', '\t', '[', '{', ',']).map_or(line, |at| line + at + 1);
        let problem = match token.kind {
            TokenKind::Colon => Problem::error(self.origin(self.until(word, &[' ', ',', ']', '}'])), "quote this URL"),
            _ => Problem::error(self.origin(self.until(start, &[' ', ',', ']', '}'])), "quote this text"),
        };
        Some(problem.hint("without double quotes, `//` begins a comment; before a comment, leave a space"))
    }
}

/// One walk over the syntax tree: places, and what must not reach the resolver.
struct Survey<'a> {
    text: &'a Text<'a>,
    places: BTreeMap<Vec<String>, Place>,
    problems: Vec<Problem>,
    dotted: usize,
}

impl Survey<'_> {
    fn object(&mut self, node: &AstNode, path: &mut Vec<String>) {
        match node {
            AstNode::Object { fields, .. } => fields.iter().for_each(|field| self.field(field, path)),
            AstNode::Array { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    path.push(format!("[{index}]"));
                    let place = self.text.value_at(item);
                    self.places.insert(path.clone(), (place.clone(), place));
                    self.object(item, path);
                    path.pop();
                }
            }
            AstNode::Concat { nodes, .. } => {
                nodes
                    .iter()
                    .filter(|node| matches!(node, AstNode::Object { .. }))
                    .for_each(|node| self.object(node, path));
            }
            _ => {}
        }
    }

    fn field(&mut self, field: &AstField, path: &mut Vec<String>) {
        let key = self.text.key_at(&field.pos);
        if let AstNode::Include { .. } = field.value {
            let problem = Problem::error(key, "`include` is not supported");
            let hint = "put the other file into a folder of its own and name both folders in CLEARML_CONFIG_DIR";
            self.problems.push(problem.hint(hint));
            return;
        }
        let outer = path.len();
        let names = outer + field.key.len();
        if names > PATH_NAMES_MAX {
            let message = format!("a key path of {names} names; at most {PATH_NAMES_MAX} are read");
            self.problems.push(Problem::error(key, message));
            return;
        }
        self.dotted += usize::from(field.key.len() > 1);
        if self.dotted == DOTTED_KEYS_MAX + 1 {
            let message = format!("more than {DOTTED_KEYS_MAX} keys with dots");
            self.problems.push(Problem::error(key.clone(), message).hint("write sections with braces"));
        }
        let place = (key, self.text.value_at(&field.value));
        for name in &field.key {
            path.push(name.clone());
            self.places.entry(path.clone()).or_insert_with(|| place.clone());
        }
        self.places.insert(path.clone(), place);
        self.object(&field.value, path);
        path.truncate(outer);
    }
}

fn position(node: &AstNode) -> &Pos {
    match node {
        AstNode::Object { pos, .. }
        | AstNode::Array { pos, .. }
        | AstNode::Scalar { pos, .. }
        | AstNode::Concat { pos, .. }
        | AstNode::Substitution { pos, .. }
        | AstNode::Include { pos, .. } => pos,
    }
}

#[cfg(test)]
mod tests;
