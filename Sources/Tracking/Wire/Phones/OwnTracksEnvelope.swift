/// What OwnTracks puts around an encrypted message: `{"_type":"encrypted","data":"…"}`, the box in Base64
/// (https://owntracks.org/booklet/features/encrypt/).

/// The envelope. What is in it is neither read nor made here.
public enum OwnTracksEnvelope {
    private enum Member: String, CaseIterable {
        case type = "_type"
        case data
    }

    private static let names = MemberNames<Member>()
    private static let encrypted = ShortText("encrypted")

    /// The Base64 text of an envelope; nil of anything else, JSON or not. An envelope without `data` has an empty one.
    public static func data(_ input: Span<UInt8>) -> [UInt8]? {
        var scanner = JSONScanner()
        var type: ShortText?
        var data: [UInt8] = []
        do {
            try scanner.members(names, input) { (scanner, name) throws(JSONError) in
                switch name {
                case .type: type = try scanner.anyText(input)
                case .data where scanner.peek(input) == UInt8(ascii: "\""):
                    let token = try scanner.string(input)
                    data.removeAll(keepingCapacity: true)
                    data.reserveCapacity(token.end - token.start)
                    _ = JSONScanner.unescape(token, input) {
                        data.append($0)
                        return true
                    }
                case .data: try scanner.skipValue(input)
                }
            }
            try scanner.expectEnd(input)
        } catch {
            return nil
        }
        return type == encrypted ? data : nil
    }

    /// Appends the envelope of a box whose Base64 text is `data`.
    public static func append(data: String, to writer: inout JSONWriter) {
        writer.raw("{\"_type\":\"encrypted\",\"data\":\"")
        writer.raw(data)
        writer.raw("\"}")
    }
}
