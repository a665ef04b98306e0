/// Fewer points for the same line: a track without the points that a map of its scale cannot show.

/// Simplifies a track as it streams by, after Douglas and Peucker (1973): what is left lies nowhere farther than the
/// tolerance from what was there, and is a part of it. It works on windows of bounded size that share their end points, so
/// that memory and the work for a point stay bounded however long the track is. The ends of windows stay, and so do the
/// first and the last point of every stretch without a silence.
public struct Simplification: Sendable {
    /// The most points that are looked at together. The work for a window is quadratic at worst, which is some two
    /// milliseconds for this many.
    public static let window = 1_024

    private let tolerance: Double
    private var points: [TrackPoint] = []
    private var kept: [Bool] = []
    private var stack: [Range<Int>] = []
    /// Whether the window's first point was given out with the window before.
    private var isFirstGiven = false

    /// `tolerance` is in metres, above 0.
    public init(tolerance: Double) {
        self.tolerance = tolerance
    }

    /// Takes the next point of the track, and appends what is decided by it to `output`.
    public mutating func add(_ point: TrackPoint, to output: inout [TrackPoint]) {
        if point.followsSilence { finish(to: &output) }
        points.append(point)
        guard points.count == Self.window else { return }
        reduce(to: &output)
        points.removeFirst(points.count - 1)
        isFirstGiven = true
    }

    /// The track is over: appends what is left of it.
    public mutating func finish(to output: inout [TrackPoint]) {
        reduce(to: &output)
        points.removeAll(keepingCapacity: true)
        isFirstGiven = false
    }

    private mutating func reduce(to output: inout [TrackPoint]) {
        guard let last = points.indices.last else { return }
        kept.removeAll(keepingCapacity: true)
        kept.append(contentsOf: repeatElement(false, count: points.count))
        kept[0] = true
        kept[last] = true
        stack.append(0..<last)
        while let range = stack.popLast() {
            guard range.count > 1 else { continue }
            let (index, distance) = farthest(in: range)
            guard distance > tolerance else { continue }
            kept[index] = true
            stack.append(range.lowerBound..<index)
            stack.append(index..<range.upperBound)
        }
        for index in (isFirstGiven ? 1 : 0)..<points.count where kept[index] { output.append(points[index]) }
    }

    /// The point between the ends of `range` that is farthest from the line between them, in metres.
    private func farthest(in range: Range<Int>) -> (Int, Double) {
        let plane = LocalPlane(around: points[range.lowerBound].latitude, points[range.lowerBound].longitude)
        let end = plane.place(points[range.upperBound].latitude, points[range.upperBound].longitude)
        let length = end.x * end.x + end.y * end.y
        var found = (index: range.lowerBound, square: -1.0)
        for index in (range.lowerBound + 1)..<range.upperBound {
            let place = plane.place(points[index].latitude, points[index].longitude)
            // The nearest place of the line: never beyond its ends, since a track may turn round.
            let along = length > 0 ? max(0, min(1, (place.x * end.x + place.y * end.y) / length)) : 0
            let (x, y) = (place.x - along * end.x, place.y - along * end.y)
            let square = x * x + y * y
            if square > found.square { found = (index, square) }
        }
        return (found.index, found.square.squareRoot())
    }
}
