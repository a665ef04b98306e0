// Douglas–Peucker by windows: what is left is enough for the line, and is no more than it needs.

import Testing

@testable import Tracking

@Suite struct SimplificationTests {
    private static let metre = 1 / Distance.metresPerDegree7

    private static func point(_ second: Int, _ x: Double, _ y: Double, followsSilence: Bool = false) -> TrackPoint {
        // At 60° a degree of longitude is half as long.
        var point = TrackPoint(
            recordedAt: Int64(second) * 1_000_000, receivedAt: 0,
            latitude: 600_000_000 + Int32((y * metre).rounded()), longitude: Int32((x * metre * 2).rounded()),
            accuracy: 5)
        point.followsSilence = followsSilence
        return point
    }

    private static func simplify(_ points: [TrackPoint], _ tolerance: Double) -> [TrackPoint] {
        var simplification = Simplification(tolerance: tolerance)
        var output: [TrackPoint] = []
        for point in points { simplification.add(point, to: &output) }
        simplification.finish(to: &output)
        return output
    }

    /// The greatest distance of a point from the line through those that are left, in metres.
    private static func error(_ points: [TrackPoint], _ left: [TrackPoint]) -> Double {
        var worst = 0.0
        var next = 1
        for point in points {
            while next < left.count - 1, left[next].recordedAt < point.recordedAt { next += 1 }
            guard next < left.count, left[next - 1].recordedAt <= point.recordedAt, !left[next].followsSilence else {
                continue
            }
            let plane = LocalPlane(around: left[next - 1].latitude, left[next - 1].longitude)
            let end = plane.place(left[next].latitude, left[next].longitude)
            let place = plane.place(point.latitude, point.longitude)
            let length = end.x * end.x + end.y * end.y
            let along = length > 0 ? max(0, min(1, (place.x * end.x + place.y * end.y) / length)) : 0
            let (x, y) = (place.x - along * end.x, place.y - along * end.y)
            worst = max(worst, (x * x + y * y).squareRoot())
        }
        return worst
    }

    @Test func `a straight line is its ends, and a corner stays`() {
        let line = (0..<500).map { Self.point($0, Double($0) * 10, 0) }
        #expect(Self.simplify(line, 1).map(\.recordedAt) == [0, 499_000_000])
        let corner = line + (1..<400).map { Self.point(499 + $0, 4_990, Double($0) * 10) }
        #expect(Self.simplify(corner, 1).map(\.recordedAt) == [0, 499_000_000, 898_000_000])
        #expect(Self.simplify([], 1).isEmpty)
        #expect(Self.simplify([line[3]], 1) == [line[3]])
        #expect(Self.simplify([line[3], line[4]], 1) == [line[3], line[4]])
    }

    @Test func `a way there and back keeps its far end`() {
        let there = (0...100).map { Self.point($0, Double($0) * 10, 0) }
        let back = (1...100).map { Self.point(100 + $0, Double(100 - $0) * 10, 0.0) }
        #expect(Self.simplify(there + back, 2).map(\.recordedAt) == [0, 100_000_000, 200_000_000])
    }

    @Test func `the ends of every stretch stay`() {
        let points = (0..<3_000).map { Self.point($0, Double($0), 0, followsSilence: $0 % 700 == 0) }
        let left = Self.simplify(points, 1_000)
        for start in stride(from: 0, to: 3_000, by: 700) {
            #expect(left.contains(points[start]))
            #expect(left.contains(points[min(2_999, start + 699)]))
        }
        // Beside them only ends of windows, of which no stretch is long enough to have one.
        #expect(left.count == 10)
    }

    @Test(arguments: 1...20) func `no point is farther from the line than the tolerance`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (x, y, course) = (0.0, 0.0, 0.0)
        let points = (0..<5_000).map { second in
            course += Double.random(in: -0.3...0.3, using: &random)
            x += Double.random(in: 0...15, using: &random) * (course > 0 ? 1 : 0.4)
            y += course * 5
            return Self.point(second, x, y, followsSilence: second % 1_700 == 0)
        }
        for tolerance in [0.5, 5, 50] {
            let left = Self.simplify(points, tolerance)
            #expect(Self.error(points, left) <= tolerance * 1.01)
            #expect(left.count < points.count)
            #expect(Set(points.map(\.recordedAt)).isSuperset(of: left.map(\.recordedAt)))
            #expect(zip(left, left.dropFirst()).allSatisfy { $0.recordedAt < $1.recordedAt })
            #expect(left.first == points.first && left.last == points.last)
        }
    }

    @Test func `across the antimeridian a line is a line`() {
        let points = (0..<100).map { step in
            var point = Self.point(step, 0, 0)
            let east = 1_799_990_000 + Int64(step) * 400
            point.longitude = Int32(east > 1_800_000_000 ? east - 3_600_000_000 : east)
            return point
        }
        #expect(Self.simplify(points, 1).count == 2)
    }

    @Test func `the time between two points, and the last of all`() {
        func reduce(_ seconds: [Int], every: Int, after: Int? = nil) -> [Int] {
            var reduction = TrackReduction(
                silence: 300_000_000, every: Int64(every) * 1_000_000, tolerance: nil,
                after: after.map { Int64($0) * 1_000_000 })
            var output: [TrackPoint] = []
            for second in seconds { reduction.add(Self.point(second, 0, 0), to: &output) }
            reduction.finish(to: &output)
            return output.map { Int($0.recordedAt / 1_000_000) }
        }
        #expect(reduce(Array(0...25), every: 10) == [0, 10, 20, 25])
        #expect(reduce([0, 9, 11, 12, 21, 22], every: 10) == [0, 11, 21, 22])
        #expect(reduce([0, 10, 20], every: 10) == [0, 10, 20])
        #expect(reduce([5], every: 10) == [5])
        #expect(reduce([], every: 10).isEmpty)
        #expect(reduce(Array(11...25), every: 10, after: 10) == [20, 25], "a page goes on where the one before ended")
    }

    @Test func `a silence is marked even where the point behind it is left out`() {
        var reduction = TrackReduction(silence: 300_000_000, every: 600_000_000, tolerance: nil, after: nil)
        var output: [TrackPoint] = []
        for second in [0, 10, 311, 400, 601, 700, 1_250] { reduction.add(Self.point(second, 0, 0), to: &output) }
        reduction.finish(to: &output)
        #expect(output.map { $0.recordedAt / 1_000_000 } == [0, 601, 1_250])
        #expect(output.map(\.followsSilence) == [true, true, true])
    }
}
