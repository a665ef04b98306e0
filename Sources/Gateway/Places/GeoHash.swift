/// Redis' geohash, which is the score of a GEO set's members: 26 bits of latitude within ±85.05112878° and as many of
/// longitude, interleaved, latitude in the even bits (redis, src/geohash.c). Members of a square stand together, so that
/// a box is a few ranges of scores.
///
/// GEOSEARCH is not asked: its boxes are measured in metres from their middle, its answers have no pages, and a limit
/// counts those whom the asker may not see.
import Tracking

/// See the file's head.
enum GeoHash {
    /// The greatest latitude that Redis takes, that of the web's map projection.
    static let northernmost: Degrees7 = 850_511_287
    private static let limit = 85.051_128_78
    private static let bits = 26
    /// Rows and columns of squares that a box may touch.
    private static let span: UInt64 = 4

    /// The score of a place.
    static func score(latitude: Degrees7, longitude: Degrees7) -> UInt64 {
        spread(row(latitude, bits)) | spread(column(longitude, bits)) << 1
    }

    /// The middle of the square of 0.6 m that a score stands for.
    static func place(of score: UInt64) -> (latitude: Degrees7, longitude: Degrees7) {
        func degrees(_ part: UInt64, _ limit: Double) -> Degrees7 {
            let value = (Double(part) + 0.5) / Double(UInt64(1) << UInt64(bits)) * 2 * limit - limit
            return Degrees7((min(limit, value) * 1e7).rounded())
        }
        return (degrees(gathered(score), limit), degrees(gathered(score >> 1), 180))
    }

    /// The ranges of scores that hold every member inside the box, and some more; in their order.
    static func ranges(of box: Box) -> [Range<UInt64>] {
        // What Redis rounds on its way to a score, and back, is far less.
        let parts = box.widened(by: 1).parts
        let level = (1...bits).last { level in parts.allSatisfy { touchesFew($0, level) } } ?? 1
        var squares: Set<UInt64> = []
        for part in parts {
            for row in row(part.south, level)...row(part.north, level) {
                for column in column(part.west, level)...column(part.east, level) {
                    squares.insert(spread(row) | spread(column) << 1)
                }
            }
        }
        let shift = UInt64(2 * (bits - level))
        var ranges: [Range<UInt64>] = []
        func append(_ range: Range<UInt64>) {
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        for square in squares.sorted() { append(square << shift..<(square + 1) << shift) }
        // Redis gives a place at exactly 180° east a number beyond the last column.
        if parts.contains(where: { $0.east == 1_800_000_000 }) { append(1 << 52..<1 << 54) }
        return ranges
    }

    private static func touchesFew(_ box: Box, _ level: Int) -> Bool {
        row(box.north, level) - row(box.south, level) < span && column(box.east, level) - column(box.west, level) < span
    }

    private static func row(_ latitude: Degrees7, _ level: Int) -> UInt64 {
        number((Double(latitude) / 1e7 + limit) / (2 * limit), level)
    }

    private static func column(_ longitude: Degrees7, _ level: Int) -> UInt64 {
        number((Double(longitude) / 1e7 + 180) / 360, level)
    }

    private static func number(_ share: Double, _ level: Int) -> UInt64 {
        let count = UInt64(1) << UInt64(level)
        return min(count - 1, UInt64(max(0, share) * Double(count)))
    }

    /// The bits of a number with a zero before each.
    private static func spread(_ number: UInt64) -> UInt64 {
        var result: UInt64 = 0
        for bit in 0..<UInt64(bits) { result |= (number >> bit & 1) << (2 * bit) }
        return result
    }

    /// Every other bit.
    private static func gathered(_ number: UInt64) -> UInt64 {
        var result: UInt64 = 0
        for bit in 0..<UInt64(bits) { result |= (number >> (2 * bit) & 1) << bit }
        return result
    }
}
