//! Places in the source, and the text of functions, for the lines that the kernel's log shows.

use std::path::PathBuf;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;

/// Whole lines of a source file.
pub(crate) struct Lines {
    /// The file relative to the package root, where that is known.
    pub name: Option<String>,
    /// The number of the first line, from 1.
    pub first: usize,
    /// The lines.
    pub text: String,
}

/// The lines from the one where `start` begins to the one where `end` ends.
pub(crate) fn lines(start: Span, end: Span) -> Lines {
    let (first, last) = (start.start().line, end.end().line.max(end.start().line));
    let file = start.local_file();
    let text = file.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).map(|whole| {
        let wanted = whole.lines().skip(first.saturating_sub(1)).take((last + 1).saturating_sub(first));
        wanted.collect::<Vec<_>>().join("\n")
    });
    let text = text.or_else(|| end.source_text()).unwrap_or_default();
    Lines { name: file.and_then(relative), first, text }
}

/// A path relative to the package that is compiled.
fn relative(path: PathBuf) -> Option<String> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let absolute = path.canonicalize().ok()?;
    let inside = absolute.strip_prefix(root.canonicalize().ok()?).ok()?;
    inside.to_str().map(str::to_owned)
}

/// Tokens as if they stood at `span`.
pub(crate) fn located(tokens: &impl ToTokens, span: Span) -> TokenStream {
    let respan = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    tokens.to_token_stream().into_iter().map(respan).collect()
}
