/// Entity tags and times of modification (RFC 9110, sections 8.8 and 13): how a reader learns that it has the newest.
import Foundation
import Glibc
import Tracking
import WebServer

/// Entity tags.
enum EntityTag {
    /// A strong tag for a body. FNV-1a tells versions apart, which is all a tag has to do.
    static func of(_ body: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in body { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return "\"\(String(hash, radix: 16))\""
    }

    /// Whether `If-None-Match` names the tag: a list, or `*`, compared weakly, since a proxy that compresses makes our
    /// tags weak (RFC 9110, section 13.1.2).
    static func isKnown(_ tag: String, to request: WebRequest) -> Bool {
        guard let header = request.headers["if-none-match"] else { return false }
        return header.split(separator: ",").contains { known in
            let known = known.trimmingCharacters(in: .whitespaces)
            return known == "*" || opaque(known) == opaque(tag)
        }
    }

    private static func opaque(_ tag: String) -> String {
        tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : tag
    }
}

/// When a resource last changed, as HTTP says it: to the second.
struct ModificationTime {
    /// Seconds since 1970.
    private let second: Int64
    /// What `Last-Modified` says.
    let header: String

    /// Of what changed at `change` and is sent at `now`, in wall microseconds. What changes may change once more within
    /// the second: as long as that lasts, the header says a second less, so that whoever asks again hears of it.
    init(_ change: Microseconds, now: Microseconds) {
        second = change / 1_000_000
        header = HTTPDate.text(min(second, now / 1_000_000 - 1))
    }

    /// Whether nothing has changed since `If-Modified-Since`, which counts only without `If-None-Match` (RFC 9110,
    /// section 13.1.3).
    func isKnown(to request: WebRequest) -> Bool {
        guard request.headers["if-none-match"] == nil,
            let since = request.headers["if-modified-since"].flatMap(HTTPDate.second)
        else { return false }
        return second <= since
    }
}

/// Dates as HTTP has them, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7; the two obsolete forms are
/// not read). The names are the C locale's, which the process never leaves.
private enum HTTPDate {
    /// The text of a second since 1970.
    static func text(_ second: Int64) -> String {
        var time = time_t(second)
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 40)
        let length = strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
        return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The second since 1970 that a text names; nil where it is no such date. The day of the week says nothing new.
    static func second(_ text: String) -> Int64? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])),
            let stamp = ShortText("\(parts[3])-\(month < 9 ? "0" : "")\(month + 1)-\(parts[1])T\(parts[4])Z")
        else { return nil }
        return Timestamp.parse(stamp).map { $0 / 1_000_000 }
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
