/// Server-to-client WebSocket frames (RFC 6455 section 5.2), made once and sent to many.

/// Frame headers. Server frames are unmasked and whole.
public enum WebSocketFrame {
    /// Room that the longest server header takes.
    public static let maximumHeaderBytes = 10

    /// Starts a text frame in `bytes`: leaves room for the header before the payload that is appended next.
    public static func reserve(_ bytes: inout [UInt8]) -> Int {
        for _ in 0..<maximumHeaderBytes { bytes.append(0) }
        return bytes.count
    }

    /// Writes the text frame's header right before the payload, which runs from `payload` to the end of `bytes`, and
    /// returns where the frame starts.
    public static func close(_ bytes: inout [UInt8], payload: Int) -> Int {
        let length = bytes.count - payload
        switch length {
        case 0..<126:
            bytes[payload - 2] = 0x81
            bytes[payload - 1] = UInt8(length)
            return payload - 2
        case 126..<65_536:
            bytes[payload - 4] = 0x81
            bytes[payload - 3] = 126
            bytes[payload - 2] = UInt8(length >> 8)
            bytes[payload - 1] = UInt8(length & 0xFF)
            return payload - 4
        default:
            bytes[payload - 10] = 0x81
            bytes[payload - 9] = 127
            for index in 0..<8 { bytes[payload - 1 - index] = UInt8(length >> (8 * index) & 0xFF) }
            return payload - 10
        }
    }
}
