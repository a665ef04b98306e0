/// A line chart as SVG, without anything outside the file.

struct Chart {
    struct Series {
        var name: String
        var points: [Curve.Point]
    }

    var title: String
    /// Under the title, in small type.
    var remark = ""
    var xLabel: String
    var yLabel: String
    /// Nil is as `Axis` sees fit.
    var xScale: Axis.Scale?
    var yScale: Axis.Scale?
    var series: [Series]
    /// A level drawn as a dashed line across, for instance a goal.
    var level: (value: Double, name: String)?

    private static let width = 760.0
    private static let height = 440.0
    /// The plot's edges.
    private static let left = 76.0
    private static let right = 728.0
    private static let bottom = 372.0
    /// Okabe and Ito's palette (2008), told apart with any colour vision; markers differ too.
    private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]

    var svg: String {
        let points = series.flatMap(\.points)
        let x = Axis(points.map(\.x), scale: xScale)
        let y = Axis(points.map(\.y) + (level.map { [$0.value] } ?? []), scale: yScale)
        var body = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
            width="\(Int(Self.width))" height="\(Int(Self.height))" role="img" \
            font-family="system-ui, 'Liberation Sans', sans-serif" font-size="13" fill="#222">
            <title>\(Self.escaped(title))</title>
            <rect width="100%" height="100%" fill="#fff"/>
            <text x="\(Self.left)" y="30" font-size="17" font-weight="600">\(Self.escaped(title))</text>
            <text x="\(Self.left)" y="50" fill="#555">\(Self.escaped(remark))</text>\n
            """
        body += axes(x, y)
        body += legend
        for (index, line) in series.enumerated() { body += self.line(line, index, x, y) }
        return body + "</svg>\n"
    }

    private func axes(_ x: Axis, _ y: Axis) -> String {
        var text = ""
        for tick in y.ticks {
            let place = vertical(y, tick)
            text += """
                <line x1="\(Self.left)" x2="\(Self.right)" y1="\(place)" y2="\(place)" stroke="#ddd"/>
                <text x="\(Self.left - 8)" y="\(place)" dy="0.35em" text-anchor="end">\(y.label(tick))</text>\n
                """
        }
        for tick in x.ticks {
            let place = Self.horizontal(x, tick)
            text += """
                <line x1="\(place)" x2="\(place)" y1="\(Self.bottom)" y2="\(Self.bottom + 5)" stroke="#444"/>
                <text x="\(place)" y="\(Self.bottom + 21)" text-anchor="middle">\(x.label(tick))</text>\n
                """
        }
        let middle = (Self.left + Self.right) / 2
        let height = (top + Self.bottom) / 2
        text += """
            <line x1="\(Self.left)" x2="\(Self.right)" y1="\(Self.bottom)" y2="\(Self.bottom)" stroke="#444"/>
            <text x="\(middle)" y="\(Self.bottom + 48)" text-anchor="middle">\(Self.escaped(xLabel))</text>
            <text transform="translate(20 \(height)) rotate(-90)" text-anchor="middle">\(Self.escaped(yLabel))</text>\n
            """
        if let level {
            let place = vertical(y, level.value)
            text += """
                <line x1="\(Self.left)" x2="\(Self.right)" y1="\(place)" y2="\(place)" stroke="#777" \
                stroke-dasharray="6 4"/>

                """
        }
        return text
    }

    private var legend: String {
        guard hasLegend else { return "" }
        var text = ""
        for (index, (x, y)) in legendPlaces.enumerated() {
            let isLevel = index == series.count
            let stroke = isLevel ? "#777\" stroke-dasharray=\"6 4" : "\(Self.colour(index))\" stroke-width=\"2"
            text += """
                <line x1="\(x)" x2="\(x + 24)" y1="\(y)" y2="\(y)" stroke="\(stroke)"/>
                \(isLevel ? "" : Self.marker(index, x + 12, y))
                <text x="\(x + 31)" y="\(y)" dy="0.35em">\(Self.escaped(legendNames[index]))</text>\n
                """
        }
        return text
    }

    private var legendNames: [String] { series.map(\.name) + (level.map { [$0.name] } ?? []) }

    private var hasLegend: Bool { legendNames.count > 1 }

    /// One behind the other, in as many lines as it takes.
    private var legendPlaces: [(x: Double, y: Double)] {
        var (x, y) = (Self.left, 71.0)
        return legendNames.map { name in
            // Some 7 px a letter at this size.
            let width = 52 + Double(name.count) * 7
            if x > Self.left, x + width > Self.right { (x, y) = (Self.left, y + 20) }
            defer { x += width }
            return (x, y)
        }
    }

    /// The plot's upper edge: below the legend.
    private var top: Double { hasLegend ? (legendPlaces.last?.y ?? 71) + 21 : 71 }

    private func line(_ series: Series, _ index: Int, _ x: Axis, _ y: Axis) -> String {
        let places = series.points.map { (Self.horizontal(x, $0.x), vertical(y, $0.y)) }
        let path = places.map { "\($0.0),\($0.1)" }.joined(separator: " ")
        var text = """
            <polyline points="\(path)" fill="none" stroke="\(Self.colour(index))" stroke-width="2" \
            stroke-linejoin="round"/>\n
            """
        // Markers of a dense curve would hide it.
        let every = max(1, places.count / 12)
        for (number, place) in places.enumerated() where number.isMultiple(of: every) || number == places.count - 1 {
            text += Self.marker(index, Double(place.0) ?? 0, Double(place.1) ?? 0) + "\n"
        }
        return text
    }

    private static func marker(_ index: Int, _ x: Double, _ y: Double) -> String {
        let fill = colour(index)
        switch index % 4 {
        case 0: return "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"4\" fill=\"\(fill)\"/>"
        case 1:
            return
                "<rect x=\"\(number(x - 3.7))\" y=\"\(number(y - 3.7))\" width=\"7.4\" height=\"7.4\" fill=\"\(fill)\"/>"
        case 2:
            let corners = [(0, -5.0), (4.6, 3.4), (-4.6, 3.4)].map { "\(number(x + $0)),\(number(y + $1))" }
            return "<polygon points=\"\(corners.joined(separator: " "))\" fill=\"\(fill)\"/>"
        default:
            let corners = [(0, -5.2), (5.2, 0.0), (0, 5.2), (-5.2, 0)].map { "\(number(x + $0)),\(number(y + $1))" }
            return "<polygon points=\"\(corners.joined(separator: " "))\" fill=\"\(fill)\"/>"
        }
    }

    private static func colour(_ index: Int) -> String { colours[index % colours.count] }

    private static func horizontal(_ axis: Axis, _ value: Double) -> String {
        number(left + min(1, max(0, axis.position(value))) * (right - left))
    }

    private func vertical(_ axis: Axis, _ value: Double) -> String {
        Self.number(Self.bottom - min(1, max(0, axis.position(value))) * (Self.bottom - top))
    }

    private static func number(_ value: Double) -> String { decimals(value, 1) }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for letter in text {
            switch letter {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(letter)
            }
        }
        return result
    }
}
