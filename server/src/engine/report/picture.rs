//! The pictures of a report as SVG, drawn for a narrow screen and scaled up on a wide one. Each says in its title and description
//! what it shows, and differs by shape as well as by colour. Without a style sheet they are black on white.

mod lineage;
mod grid;
mod bars;

use super::text::html as safe;

pub(super) use self::bars::bars;
pub(super) use self::grid::grid;
pub(super) use self::lineage::lineage;

/// A picture while it is drawn.
struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text stands at its point.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.body.push_str(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>\n",
            safe(text)
        ));
    }

    fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.body.push_str(&format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\" stroke=\"currentColor\"/>\n"
        ));
    }

    /// Whatever a person has to know to read one shape, told when they point at it.
    fn shape(&mut self, shape: &str, told: &str) {
        self.body.push_str(&format!("<g>{shape}<title>{}</title></g>\n", safe(told)));
    }

    fn finish(self, id: &str, title: &str, description: &str) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" style=\"--wide:{width:.0}px\" font-family=\"system-ui, sans-serif\" font-size=\"11\" fill=\"currentColor\">\n\
             <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{body}</svg>\n",
            safe(title),
            safe(description)
        )
    }
}
