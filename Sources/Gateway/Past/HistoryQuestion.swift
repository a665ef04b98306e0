/// What a request for a driver's past asks for, checked.
import Tracking
import WebServer

/// The parameters of `GET /v1/drivers/{id}/history`.
struct HistoryQuestion {
    static let maximumLimit = 1_000_000
    static let maximumEverySeconds = 86_400
    static let maximumTolerance = 10_000.0
    private static let day: Microseconds = 86_400_000_000
    /// From 1900 on, up to the last year that RFC 3339 can write, in which an answer must be.
    static let instants: Range<Microseconds> = -2_208_988_800_000_000..<253_402_214_400_000_000

    let driver: DriverID
    let format: TrackFormat
    /// From the first to before the second; begins behind `after` where that is given.
    let range: Range<Microseconds>
    /// The most points; nil is all.
    let limit: Int?
    /// The fix time of the last point of the page before.
    let after: Microseconds?
    /// The least time between two points in microseconds, 0 for none.
    let every: Microseconds
    /// How far the line may be from points that are left out, in metres; nil leaves none out.
    let tolerance: Double?

    /// `now` is in wall microseconds.
    init(_ request: WebRequest, of driver: DriverID, now: Microseconds) throws(RequestRefusal) {
        self.driver = driver
        if let name = request.query("format") {
            guard let format = TrackFormat(rawValue: name) else {
                throw .badRequest("format is \(TrackFormat.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self.format = format
        } else {
            format = request.headers["accept"].flatMap { TrackFormat(accept: $0) } ?? .geojson
        }
        let to = try Self.instant(request, "to") ?? now
        let from = try Self.instant(request, "from") ?? to - Self.day
        guard from < to else { throw .badRequest("from is before to") }
        after = try Self.instant(request, "after")
        let begin = after.map { max(from, $0 + 1) } ?? from
        range = min(begin, to)..<to
        limit = try Self.number(request, "limit", 1...Self.maximumLimit)
        let seconds = try Self.number(request, "every_s", 1...Self.maximumEverySeconds)
        every = Int64(seconds ?? 0) * 1_000_000
        if let text = request.query("simplify_m") {
            guard let metres = Double(text), metres > 0, metres <= Self.maximumTolerance else {
                throw .badRequest("simplify_m is a number of metres above 0, at most \(Int(Self.maximumTolerance))")
            }
            tolerance = metres
        } else {
            tolerance = nil
        }
    }

    /// All that is known of a range.
    init(of driver: DriverID, in range: Range<Microseconds>) {
        self.driver = driver
        self.range = range
        format = .geojson
        (limit, after, every, tolerance) = (nil, nil, 0, nil)
    }

    /// Where the answer is kept as a file: the driver and the range, in characters that every file system takes.
    var fileName: String {
        func compact(_ instant: Microseconds) -> String {
            Timestamp.string(instant).prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        }
        let id = driver.string.map { $0 == ":" ? "-" : String($0) }.joined()
        return "\(id)_\(compact(range.lowerBound))_\(compact(range.upperBound)).\(format.rawValue)"
    }

    private static func number(
        _ request: WebRequest, _ name: String, _ range: ClosedRange<Int>
    ) throws(RequestRefusal) -> Int? {
        guard let text = request.query(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .badRequest("\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func instant(_ request: WebRequest, _ name: String) throws(RequestRefusal) -> Microseconds? {
        guard let text = request.query(name) else { return nil }
        guard let instant = instant(text), instants.contains(instant) else {
            throw .badRequest("\(name) is an instant: RFC 3339 with a zone, or epoch milliseconds")
        }
        return instant
    }

    private static func instant(_ text: String) -> Microseconds? {
        if let milliseconds = Int64(text) {
            let (microseconds, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000)
            return overflow ? nil : microseconds
        }
        // A plus that was not escaped has become a space on its way.
        var characters = Array(text.utf8)
        if characters.count > 6, characters[characters.count - 6] == UInt8(ascii: " ") {
            characters[characters.count - 6] = UInt8(ascii: "+")
        }
        return ShortText(characters.span).flatMap { Timestamp.parse($0) }
    }
}
