// A platform's own server that takes events by webhook, read event by event.

import Crypto
import Foundation
import Glibc
import LocalServers

/// Takes what is posted, after refusing the first few. Used on one thread.
final class EventReceiver {
    private let receiver: LocalReceiver
    private var taken = 0

    /// Answers the first requests with these statuses, all others with 204.
    init(failing statuses: [Int] = []) throws {
        receiver = try LocalReceiver { _, number in .status(number < statuses.count ? statuses[number] : 204) }
    }

    deinit { receiver.stop() }

    var url: String { receiver.url + "/tracking-events" }

    /// The next request.
    func next(within seconds: Double = 30) throws -> LocalReceiver.Post {
        try eventually("a request", within: seconds) { receiver.posts.count > taken }
        taken += 1
        return receiver.posts[taken - 1]
    }

    /// Whether nobody asks within so many seconds.
    func isLeftAlone(for seconds: Double) -> Bool {
        let deadline = Deadline(seconds: seconds)
        while !deadline.isOver, receiver.posts.count == taken { poll(nil, 0, 5) }
        return receiver.posts.count == taken
    }
}

extension LocalReceiver.Post {
    /// The body as text.
    var text: String { String(decoding: body, as: UTF8.self) }

    /// Whether the signature is one that this secret makes (Standard Webhooks: HMAC-SHA256 over id, time and body).
    func isSigned(_ secret: String) -> Bool {
        guard let id = headers["webhook-id"], let time = headers["webhook-timestamp"] else { return false }
        let code = HMAC<SHA256>.authenticationCode(
            for: Data("\(id).\(time).\(text)".utf8), using: SymmetricKey(data: Data(secret.utf8)))
        return headers["webhook-signature"] == "v1,\(Data(code).base64EncodedString())"
    }
}
