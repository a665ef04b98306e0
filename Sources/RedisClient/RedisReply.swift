/// A reply, copied out of hiredis' memory, which is freed as soon as the reply was handled.
import CHiredis

/// What Redis answered.
public enum RedisReply: Sendable, Equatable {
    /// A status such as `OK`.
    case status(String)
    /// An error such as `READONLY You can't write against a read only replica.`
    case error(String)
    /// An integer.
    case integer(Int64)
    /// A bulk string.
    case bytes([UInt8])
    /// Several replies.
    case array([RedisReply])
    /// Nil.
    case null
    /// The connection was lost before the answer came; whether the command ran is unknown.
    case lost

    init(_ reply: redisReply) {
        let bytes = UnsafeRawBufferPointer(start: reply.str, count: reply.str == nil ? 0 : reply.len)
        switch reply.type {
        case REDIS_REPLY_STATUS: self = .status(String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_ERROR: self = .error(String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_INTEGER: self = .integer(reply.integer)
        case REDIS_REPLY_STRING: self = .bytes(Array(bytes))
        case REDIS_REPLY_ARRAY:
            let elements = UnsafeBufferPointer(start: reply.element, count: reply.elements)
            self = .array(elements.map { $0.map { RedisReply($0.pointee) } ?? .null })
        default: self = .null
        }
    }

    /// The text of a bulk string or status.
    public var text: String? {
        switch self {
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        case .status(let text): text
        default: nil
        }
    }

    /// The elements of an array.
    public var elements: [RedisReply]? {
        if case .array(let elements) = self { elements } else { nil }
    }
}
