/// What a server asks of the program behind it. A class to inherit from, so that a frame costs one table look-up.

/// What to do with a WebSocket handshake.
public enum UpgradeDecision {
    /// Go on; the session gets what comes.
    case accept(WebSession)
    /// Answer this and close.
    case refuse(WebResponse)
}

/// What one WebSocket's events go to. Override all of it; every method runs on the loop's thread.
open class WebSession {
    /// Unique in the process, unlike a connection's number.
    public let serial: UInt64
    /// The session's connection. It owns the session and outlives it, so an unchecked reference is sound.
    public unowned(unsafe) let connection: WebConnection

    /// A session of `connection`.
    public init(_ connection: WebConnection, serial: UInt64) {
        self.connection = connection
        self.serial = serial
    }

    /// The WebSocket is open.
    open func opened() {}

    /// A whole text message. `message` is the library's memory: read it now.
    open func received(_ message: Span<UInt8>) {}

    /// The socket has room again after a write was refused or queued.
    open func writable() {}

    /// The connection is gone.
    open func closed() {}
}

/// Override all of it. Every method runs on the loop's thread.
open class WebApplication {
    /// Nothing to set up.
    public init() {}

    /// A complete request. Answer now or later with `connection.respond`.
    open func receive(_ request: WebRequest, on connection: WebConnection) {
        connection.respond(WebResponse(status: 404))
    }

    /// A WebSocket handshake that is valid in itself.
    open func upgrade(_ request: WebRequest, on connection: WebConnection) -> UpgradeDecision {
        .refuse(WebResponse(status: 404))
    }

    /// Something that whoever runs the server should know; at most once a second.
    open func notice(_ text: String) {}

    /// An error reply in the application's own format.
    open func problem(status: Int, code: String, detail: String) -> WebResponse {
        WebResponse(status: status)
    }
}
