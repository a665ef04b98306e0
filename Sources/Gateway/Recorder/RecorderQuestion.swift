/// What `GET /api/0/locations` asks for, checked: the Recorder's own parameters, which are not those of Drover's history.
import Tracking
import WebServer

/// See the file's head.
struct RecorderQuestion {
    /// How far back it goes where `from` is missing (the Recorder's DEFAULT_HISTORY_HOURS).
    private static let usual: Microseconds = 6 * 3_600_000_000
    private static let day: Microseconds = 86_400_000_000
    static let maximumLimit = 100_000

    let driver: DriverID
    let format: OwnTracksTrackFormat
    let range: Range<Microseconds>
    /// Only so many of the newest; nil is all.
    let limit: Int?
    /// The members that are wanted; nil is all.
    let fields: Set<String>?

    /// Nil where it is about somebody who is not ours, of whom nothing is known. `now` is in wall microseconds.
    init?(_ request: WebRequest, now: Microseconds) throws(RequestRefusal) {
        let about = RecorderLimit(request)
        guard about.user != nil, let device = about.device else { throw .badRequest("user and device are required") }
        guard let format = OwnTracksTrackFormat(rawValue: request.query("format") ?? "json") else {
            let names = OwnTracksTrackFormat.allCases.map(\.rawValue).joined(separator: ", ")
            throw .badRequest("format is \(names)")
        }
        self.format = format
        let to = try Self.instants(request, "to")?.upperBound ?? now
        let from = try Self.instants(request, "from")?.lowerBound ?? to - Self.usual
        guard from < to else { throw .badRequest("from is before to") }
        range = from..<to
        if let text = request.query("limit") {
            guard let number = Int(text), (1...Self.maximumLimit).contains(number) else {
                throw .badRequest("limit is a whole number from 1 to \(Self.maximumLimit)")
            }
            limit = number
        } else {
            limit = nil
        }
        fields = request.query("fields").map { Set($0.split(separator: ",").map(String.init)) }
        guard about.namesOurUser, let driver = DriverID(device) else { return nil }
        self.driver = driver
    }

    /// What a date or time covers: a day, a minute or a second, in UTC where it names no zone.
    private static func instants(
        _ request: WebRequest, _ name: String
    ) throws(RequestRefusal) -> Range<Microseconds>? {
        guard let text = request.query(name) else { return nil }
        let spelled = text.replacingSpace()
        let forms: [(suffix: String, length: Microseconds)] =
            switch spelled.utf8.count {
            case 10: [("T00:00:00Z", day)]
            case 16: [(":00Z", 60_000_000)]
            default: [("", 1_000_000), ("Z", 1_000_000)]
            }
        for form in forms {
            guard let instant = ShortText(spelled + form.suffix).flatMap({ Timestamp.parse($0) }) else { continue }
            guard HistoryQuestion.instants.contains(instant) else { break }
            return instant..<instant + form.length
        }
        throw .badRequest("\(name) is a date and time such as 2026-11-21T09:30:00, in UTC unless it names a zone")
    }
}

extension String {
    /// A date and a time with a T between them, as the Recorder takes them with a space too; a plus that was not escaped has
    /// become a space on its way.
    fileprivate func replacingSpace() -> String {
        var characters = Array(utf8)
        if characters.count > 10, characters[10] == 0x20 { characters[10] = UInt8(ascii: "T") }
        return String(decoding: characters.map { $0 == 0x20 ? UInt8(ascii: "+") : $0 }, as: UTF8.self)
    }
}
