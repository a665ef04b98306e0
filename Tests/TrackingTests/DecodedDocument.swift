// How the tests of the decoder call it.

import Testing

@testable import Tracking

/// One decoded document, or why it was refused.
func decode(
    _ bytes: [UInt8], limit: Int = 1_000, envelope: Bool = true
) -> Result<[DecodedPing], PingDecodingError> {
    var batch = PingBatch()
    do throws(PingDecodingError) {
        try PingDecoder.decode(bytes.span, into: &batch, maximumPings: limit, allowsEnvelope: envelope)
        return .success(batch.pings)
    } catch {
        return .failure(error)
    }
}

func decode(_ text: String, limit: Int = 1_000, envelope: Bool = true) -> Result<
    [DecodedPing], PingDecodingError
> {
    decode(Array(text.utf8), limit: limit, envelope: envelope)
}

/// The four required members of a ping.
let requiredMembers = #""recorded_at":1760000000125,"lat":43.6532,"lng":-79.3832,"accuracy":5"#

/// A ping of the required members and these; a required one that stands in `members` is left out of the four.
func decodePing(_ members: String = "") throws -> DecodedPing {
    let kept = requiredMembers.split(separator: ",").filter { !members.hasPrefix($0.prefix { $0 != ":" } + ":") }
    let text = "{\((kept.map(String.init) + (members.isEmpty ? [] : [members])).joined(separator: ","))}"
    return try #require(try decode(text).get().first)
}
