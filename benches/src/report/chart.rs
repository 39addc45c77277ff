//! Charts as SVG.

use plotters::prelude::*;

use crate::measures::shown;
use crate::work::Failure;

const SIZE: (u32, u32) = (560, 340);
const TITLE: (&str, u32) = ("sans-serif", 17);
const TEXT: (&str, u32) = ("sans-serif", 13);

/// A bar for each name, with its figure above it.
pub(crate) fn bars(title: &str, decimals: usize, bars: &[(&str, f64, RGBColor)]) -> Result<String, Failure> {
    let most = bars.iter().map(|(_, figure, _)| *figure).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .caption(title, TITLE)
            .margin(12)
            .x_label_area_size(28)
            .y_label_area_size(64)
            .build_cartesian_2d((0..bars.len().saturating_sub(1)).into_segmented(), 0.0..most * 1.12)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_style(TEXT)
            .y_label_style(TEXT)
            .x_label_formatter(&|position| match position {
                SegmentValue::CenterOf(bar) => bars.get(*bar).map_or_else(String::new, |(name, ..)| (*name).to_owned()),
                _ => String::new(),
            })
            .y_label_formatter(&|figure| shown(*figure, 0))
            .draw()?;
        for (bar, (_, figure, colour)) in bars.iter().enumerate() {
            let corners = [(SegmentValue::Exact(bar), 0.0), (SegmentValue::Exact(bar + 1), *figure)];
            let mut body = Rectangle::new(corners, colour.filled());
            body.set_margin(0, 0, 22, 22);
            chart.draw_series([body])?;
            let text = EmptyElement::at((SegmentValue::CenterOf(bar), *figure))
                + Text::new(shown(*figure, decimals), (-16, -16), TEXT);
            chart.draw_series([text])?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// A line through points.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) colour: RGBColor,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A line for each name, upwards by powers of ten. The names stand where it is said.
pub(crate) fn lines(
    title: &str,
    below: &str,
    names: SeriesLabelPosition,
    lines: &[Line<'_>],
) -> Result<String, Failure> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let right = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let most = points().map(|(_, y)| *y).fold(1.0, f64::max);
    let least = points().map(|(_, y)| *y).filter(|y| *y > 0.0).fold(most, f64::min);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .caption(title, TITLE)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..right, (least * 0.7..most * 1.4).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(below)
            .axis_desc_style(TEXT)
            .x_label_style(TEXT)
            .y_label_style(TEXT)
            .x_label_formatter(&|x| shown(*x, 0))
            .y_label_formatter(&|y| shown(*y, 0))
            .draw()?;
        for line in lines {
            let colour = line.colour;
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart.configure_series_labels().position(names).label_font(TEXT).background_style(WHITE.mix(0.85)).draw()?;
        area.present()?;
    }
    Ok(svg)
}
