/// How the bytes from a server are cut into messages: WebSocket frames, HTTP answers, MQTT packets.
import CLinux
import Glibc

/// One message of a server. It is valid only during the call that hands it over.
struct Message {
    /// A WebSocket frame's opcode, an HTTP answer's status, an MQTT packet's first byte, the byte itself.
    var kind: Int
    var payload: UnsafeRawBufferPointer
    /// Bytes with the header.
    var size: Int
}

/// How messages follow each other.
enum Framing {
    /// Unmasked frames (RFC 6455, part 5.2). Fragments are messages of their own, with opcode 0.
    case webSocket
    /// Answers with a status line and Content-Length (RFC 9112); without a length the body is empty.
    case http
    /// A fixed header with a length of one to four bytes (MQTT 3.1.1, part 2.2).
    case mqtt
    /// Single bytes, which is how a floor says that it is ready.
    case byte

    /// The sizes of a message's header and payload.
    struct Extent: Equatable {
        var kind: Int
        var header: Int
        var length: Int
    }

    /// The first message in `bytes`; nil while its header is incomplete.
    func extent(_ bytes: UnsafeRawBufferPointer) -> Extent? {
        switch self {
        case .webSocket: Self.webSocketExtent(bytes)
        case .http: Self.httpExtent(bytes)
        case .mqtt: Self.mqttExtent(bytes)
        case .byte: bytes.isEmpty ? nil : Extent(kind: Int(bytes[0]), header: 0, length: 1)
        }
    }

    private static func webSocketExtent(_ bytes: UnsafeRawBufferPointer) -> Extent? {
        guard bytes.count >= 2 else { return nil }
        let kind = Int(bytes[0] & 0x0F)
        switch bytes[1] & 0x7F {
        case 126:
            guard bytes.count >= 4 else { return nil }
            return Extent(kind: kind, header: 4, length: Int(bytes[2]) << 8 | Int(bytes[3]))
        case 127:
            guard bytes.count >= 10 else { return nil }
            return Extent(kind: kind, header: 10, length: (3..<10).reduce(0) { $0 << 8 | Int(bytes[$1]) })
        case let length:
            return Extent(kind: kind, header: 2, length: Int(length))
        }
    }

    private static func mqttExtent(_ bytes: UnsafeRawBufferPointer) -> Extent? {
        var length = 0
        for index in 1..<5 {
            guard index < bytes.count else { return nil }
            length |= Int(bytes[index] & 0x7F) << (7 * (index - 1))
            if bytes[index] < 0x80 { return Extent(kind: Int(bytes[0]), header: index + 1, length: length) }
        }
        // A fifth byte of length does not exist: taken as it is, so that a broken peer cannot stop the run.
        return Extent(kind: Int(bytes[0]), header: 5, length: length)
    }

    private static let headEnd: StaticString = "\r\n\r\n"
    private static let lengthName: StaticString = "content-length:"

    /// `HTTP/1.1 200 …`, header lines, an empty line.
    private static func httpExtent(_ bytes: UnsafeRawBufferPointer) -> Extent? {
        guard bytes.count >= 16, let base = bytes.baseAddress,
            let end = drover_find(base, bytes.count, headEnd.utf8Start, 4)
        else { return nil }
        let header = end - base + 4
        let status = (9..<12).reduce(0) { $0 * 10 + Int(bytes[$1] &- UInt8(ascii: "0")) }
        var length = 0
        var line = 0
        while line + lengthName.utf8CodeUnitCount < header {
            if isLength(bytes, at: line) {
                var index = line + lengthName.utf8CodeUnitCount
                while index < header, bytes[index] != UInt8(ascii: "\r") {
                    let digit = bytes[index] &- UInt8(ascii: "0")
                    if digit < 10, length < 1 << 40 { length = length * 10 + Int(digit) }
                    index += 1
                }
                break
            }
            while line < header, bytes[line] != UInt8(ascii: "\n") { line += 1 }
            line += 1
        }
        // 1xx, 204 and 304 have no body (RFC 9112, part 6.3).
        let isEmpty = status < 200 || status == 204 || status == 304
        return Extent(kind: status, header: header, length: isEmpty ? 0 : length)
    }

    private static func isLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        for index in 0..<lengthName.utf8CodeUnitCount where bytes[offset + index] | 0x20 != lengthName.utf8Start[index]
        {
            return false
        }
        return true
    }
}
