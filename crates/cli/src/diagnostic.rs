//! What is wrong with a text, shown in the text.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use bpfasm_isa::text::{Help, Span};

/// An error in a text, to be shown with the line and a caret.
pub struct Diagnostic<'a> {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<Help>,
    /// The text's file.
    pub path: &'a Path,
    /// The text.
    pub text: &'a str,
}

impl Diagnostic<'_> {
    /// Shows it on standard error.
    pub fn show(&self) {
        let renderer = match anstream::AutoStream::choice(&std::io::stderr()) {
            anstream::ColorChoice::Never => Renderer::plain(),
            _ => Renderer::styled(),
        };
        let _ = writeln!(anstream::stderr(), "{}", self.render(&renderer));
    }

    fn render(&self, renderer: &Renderer) -> String {
        let path = self.path.display().to_string();
        let help = self.help.as_ref().map(Help::to_string);
        let title = Level::ERROR.primary_title(self.message.as_str());
        let report = match self.span {
            None => title.element(Level::NOTE.message(path.as_str())),
            Some(Span { start, end }) => {
                let annotation = AnnotationKind::Primary.span(start..end.max(start));
                title.element(Snippet::source(self.text).path(path.as_str()).annotation(annotation))
            }
        };
        let report = match &help {
            Some(help) => report.element(Level::HELP.message(help.as_str())),
            None => report,
        };
        renderer.render(&[report]).to_string()
    }
}

/// Says how many errors there were.
pub fn count(errors: usize) -> impl Display {
    let plural = if errors == 1 { "" } else { "s" };
    format!("{errors} error{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpfasm_isa::text;

    #[test]
    fn the_place_is_shown_with_a_caret() {
        let source = "r0 = 1\nr1 = r12\nexit\n";
        let errors = text::assemble(source, &text::Options::default()).unwrap_err();
        let diagnostic = Diagnostic {
            message: errors[0].to_string(),
            span: Some(errors[0].span),
            help: errors[0].kind.help(),
            path: Path::new("a.s"),
            text: source,
        };
        let shown = diagnostic.render(&Renderer::plain());
        assert!(shown.contains("a.s:2:6"), "{shown}");
        assert!(shown.lines().any(|line| line.trim_end().ends_with("^^^")), "{shown}");
    }
}
