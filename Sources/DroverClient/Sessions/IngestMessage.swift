/// What a gateway says on `GET /v1/ingest` (API.md, "In").

/// One server frame, its rejections still as text.
struct IngestMessage {
    /// The largest frame the server takes, from `hello`.
    var hello: (now: Int64, maximumFrame: Int)?
    var acknowledged: Int64?
    var rateIntervalMilliseconds: Int?
    var error: String?
    private var rejections: UnsafeRawBufferPointer?

    /// One judged away.
    struct Rejection {
        let sequence: Int64
        let reason: String
        let detail: String
    }

    /// Nil where the text is not JSON; members nobody knows are passed over.
    init?(_ text: UnsafeRawBufferPointer) {
        var cursor = JSONCursor(text)
        guard cursor.enterObject() else { return nil }
        while let key = cursor.nextKey() {
            switch true {
            case key == "ack": acknowledged = cursor.integer()
            case key == "rejected": rejections = cursor.skipValue()
            case key == "hello":
                var now: Int64 = 0
                var maximumFrame = 262_144
                guard cursor.enterObject() else { return nil }
                while let name = cursor.nextKey() {
                    switch true {
                    case name == "now": now = cursor.integer() ?? 0
                    case name == "max_frame": maximumFrame = Int(cursor.integer() ?? 262_144)
                    default: cursor.skipValue()
                    }
                }
                hello = (now, max(1024, maximumFrame))
            case key == "rate":
                guard cursor.enterObject() else { return nil }
                while let name = cursor.nextKey() {
                    if name == "interval_ms" {
                        rateIntervalMilliseconds = Int(max(0, cursor.integer() ?? 0))
                    } else {
                        cursor.skipValue()
                    }
                }
            case key == "error": error = String(decoding: cursor.skipValue(), as: UTF8.self)
            default: cursor.skipValue()
            }
        }
        if cursor.isBroken { return nil }
    }

    /// Calls `body` for each rejection.
    func forEachRejection(_ body: (Rejection) -> Void) {
        guard let rejections else { return }
        var cursor = JSONCursor(rejections)
        guard cursor.enterArray() else { return }
        while cursor.nextElement(), cursor.enterObject() {
            var sequence: Int64?
            var reason = ""
            var detail = ""
            while let key = cursor.nextKey() {
                switch true {
                case key == "seq": sequence = cursor.integer()
                case key == "reason": reason = cursor.unescapedString() ?? ""
                case key == "detail": detail = cursor.unescapedString() ?? ""
                default: cursor.skipValue()
                }
            }
            if let sequence { body(Rejection(sequence: sequence, reason: reason, detail: detail)) }
        }
    }
}
