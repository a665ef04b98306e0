/// The frames of RFC 6455: how one is written with its mask, and how a stream of bytes is cut into them.

/// What a frame carries (RFC 6455, 5.2).
package enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    package var isControl: Bool { rawValue >= 8 }
}

/// A breach of RFC 6455 by the other side, with the close code that names its kind.
package struct WebSocketViolation: Error, Equatable {
    package let code: UInt16
    package let reason: String
}

/// Writes frames.
package enum WebSocketFrame {
    /// Appends one final frame.
    ///
    /// - Parameter mask: the masking key of a client's frame; nil for a server's, which has none.
    package static func write(
        _ opcode: WebSocketOpcode, _ payload: UnsafeRawBufferPointer, mask: UInt32?, isFinal: Bool = true,
        to writer: ByteWriter
    ) {
        // The header is 14 bytes at most: two, eight of length, four of mask.
        let start = writer.reserve(payload.count + 14)
        var place = start
        func put(_ byte: UInt8) {
            place.storeBytes(of: byte, as: UInt8.self)
            place += 1
        }
        put((isFinal ? 0x80 : 0) | opcode.rawValue)
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        switch payload.count {
        case ...125: put(maskBit | UInt8(payload.count))
        case ...0xFFFF:
            put(maskBit | 126)
            for shift in [8, 0] { put(UInt8(truncatingIfNeeded: payload.count >> shift)) }
        default:
            put(maskBit | 127)
            for shift in stride(from: 56, through: 0, by: -8) {
                put(UInt8(truncatingIfNeeded: payload.count >> shift))
            }
        }
        if let mask {
            place.storeBytes(of: mask, as: UInt32.self)
            place += 4
        }
        if let base = payload.baseAddress { place.copyMemory(from: base, byteCount: payload.count) }
        if let mask { apply(mask, to: UnsafeMutableRawBufferPointer(start: place, count: payload.count)) }
        writer.advance(place - start + payload.count)
    }

    /// Masks or unmasks in place; `mask` is in the byte order of the wire.
    package static func apply(_ mask: UInt32, to bytes: UnsafeMutableRawBufferPointer) {
        let wide = UInt64(mask) | UInt64(mask) << 32
        var index = 0
        while index + 8 <= bytes.count {
            let value = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            bytes.storeBytes(of: value ^ wide, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        while index < bytes.count {
            // Little-endian, as all of Drover's machines are: byte i of the key is its i-th lowest.
            bytes[index] ^= UInt8(truncatingIfNeeded: mask >> (8 * UInt32(index & 3)))
            index += 1
        }
    }
}

/// The header of a received frame.
package struct WebSocketFrameHeader {
    package let opcode: WebSocketOpcode
    package let isFinal: Bool
    package let mask: UInt32?
    /// Bytes of the header itself.
    package let size: Int
    package let payloadSize: Int

    /// Reads the header at the start of `bytes`; nil where more bytes are needed.
    package init?(
        _ bytes: UnsafeRawBufferPointer, maximumPayload: Int
    ) throws(WebSocketViolation) {
        guard bytes.count >= 2 else { return nil }
        guard bytes[0] & 0x70 == 0 else { throw WebSocketViolation(code: 1002, reason: "a reserved bit is set") }
        guard let opcode = WebSocketOpcode(rawValue: bytes[0] & 0x0F) else {
            throw WebSocketViolation(code: 1002, reason: "unknown opcode")
        }
        let isMasked = bytes[1] & 0x80 != 0
        let short = Int(bytes[1] & 0x7F)
        let lengthBytes = short < 126 ? 0 : short == 126 ? 2 : 8
        let size = 2 + lengthBytes + (isMasked ? 4 : 0)
        guard bytes.count >= size else { return nil }
        var length = UInt64(short)
        if lengthBytes > 0 {
            length = 0
            for index in 0..<lengthBytes { length = length << 8 | UInt64(bytes[2 + index]) }
            guard length >= (lengthBytes == 2 ? 126 : 65536) else {
                throw WebSocketViolation(code: 1002, reason: "a length longer than it needs to be")
            }
        }
        isFinal = bytes[0] & 0x80 != 0
        guard !opcode.isControl || (isFinal && length <= 125) else {
            throw WebSocketViolation(code: 1002, reason: "a control frame that is long or in parts")
        }
        guard length <= UInt64(maximumPayload) else {
            throw WebSocketViolation(code: 1009, reason: "a frame of \(length) bytes")
        }
        self.opcode = opcode
        self.size = size
        payloadSize = Int(length)
        mask = isMasked ? bytes.loadUnaligned(fromByteOffset: size - 4, as: UInt32.self) : nil
    }
}

/// Cuts what arrives into messages, whatever the pieces it comes in.
package struct WebSocketMessageReader {
    /// One message or control frame; the payload is valid until the reader is used again.
    package struct Message {
        package let opcode: WebSocketOpcode
        package let payload: UnsafeRawBufferPointer
    }

    private let maximumMessageBytes: Int
    private let expectsMask: Bool
    /// Bytes of an unfinished frame; nil until the first is cut in two, so that an idle connection holds no buffer.
    private var partial: ByteWriter?
    private var consumed = 0
    /// The parts of a fragmented message so far, and its kind.
    private var fragments: ByteWriter?
    private var fragmentedOpcode: WebSocketOpcode?

    /// - Parameter expectsMask: true on a server's side, where every frame must be masked; a client's must not be.
    package init(maximumMessageBytes: Int, expectsMask: Bool = false) {
        self.maximumMessageBytes = maximumMessageBytes
        self.expectsMask = expectsMask
    }

    /// Calls `body` for each whole message in what came before and `bytes`; `body` returns false to stop.
    package mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ body: (Message) -> Bool
    ) throws(WebSocketViolation) {
        if let partial, partial.count > 0 {
            partial.append(bytes)
            let used = try cut(partial.bytes, body)
            partial.removeFirst(used)
            // A rare large snapshot must not be remembered by every idle connection.
            if partial.count == 0 { self.partial = nil }
        } else {
            let used = try cut(bytes, body)
            if used < bytes.count {
                let partial = ByteWriter(capacity: bytes.count - used)
                partial.append(UnsafeRawBufferPointer(rebasing: bytes[used...]))
                self.partial = partial
            }
        }
    }

    private mutating func cut(
        _ bytes: UnsafeRawBufferPointer, _ body: (Message) -> Bool
    ) throws(WebSocketViolation) -> Int {
        var position = 0
        while position < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            guard let header = try WebSocketFrameHeader(rest, maximumPayload: maximumMessageBytes),
                rest.count >= header.size + header.payloadSize
            else { return position }
            guard (header.mask != nil) == expectsMask else {
                throw WebSocketViolation(code: 1002, reason: expectsMask ? "a frame without mask" : "a masked frame")
            }
            let payload = UnsafeRawBufferPointer(rebasing: rest[header.size..<(header.size + header.payloadSize)])
            if let mask = header.mask {
                // The bytes are this process's own copy: the receive buffer, or `partial`.
                WebSocketFrame.apply(mask, to: UnsafeMutableRawBufferPointer(mutating: payload))
            }
            position += header.size + header.payloadSize
            guard let message = try assemble(header, payload) else { continue }
            if !body(message) { return bytes.count }
        }
        return position
    }

    private mutating func assemble(
        _ header: WebSocketFrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(WebSocketViolation) -> Message? {
        if header.opcode.isControl { return Message(opcode: header.opcode, payload: payload) }
        if header.opcode != .continuation {
            guard fragmentedOpcode == nil else {
                throw WebSocketViolation(code: 1002, reason: "a message inside a fragmented one")
            }
            if header.isFinal { return Message(opcode: header.opcode, payload: payload) }
            fragmentedOpcode = header.opcode
            let fragments = fragments ?? ByteWriter()
            fragments.clear()
            fragments.append(payload)
            self.fragments = fragments
            return nil
        }
        guard let opcode = fragmentedOpcode, let fragments else {
            throw WebSocketViolation(code: 1002, reason: "a continuation of nothing")
        }
        guard fragments.count + payload.count <= maximumMessageBytes else {
            throw WebSocketViolation(code: 1009, reason: "a message above \(maximumMessageBytes) bytes")
        }
        fragments.append(payload)
        guard header.isFinal else { return nil }
        fragmentedOpcode = nil
        return Message(opcode: opcode, payload: fragments.bytes)
    }
}
