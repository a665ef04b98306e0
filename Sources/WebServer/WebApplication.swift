/// What a server asks of the program behind it. A class to inherit from, so that a frame costs one table look-up.

/// What to do with a WebSocket handshake.
public enum UpgradeDecision {
    /// Go on.
    case accept
    /// Answer this and close.
    case refuse(WebResponse)
}

/// Override all of it. Every method runs on the loop's thread.
open class WebApplication {
    /// Nothing to set up.
    public init() {}

    /// A complete request. Answer now or later with `connection.respond`.
    open func receive(_ request: WebRequest, on connection: WebConnection) {
        connection.respond(WebResponse(status: 404))
    }

    /// A WebSocket handshake that is valid in itself. `connection.attachment` may be set here.
    open func upgrade(_ request: WebRequest, on connection: WebConnection) -> UpgradeDecision {
        .refuse(WebResponse(status: 404))
    }

    /// The WebSocket is open.
    open func opened(_ connection: WebConnection) {}

    /// A whole text message. `message` is the library's memory: read it now.
    open func received(_ message: Span<UInt8>, on connection: WebConnection) {}

    /// The socket has room again after a write was refused or queued.
    open func writable(_ connection: WebConnection) {}

    /// The connection is gone, HTTP or WebSocket.
    open func closed(_ connection: WebConnection) {}

    /// An error reply in the application's own format.
    open func problem(status: Int, code: String, detail: String) -> WebResponse {
        WebResponse(status: status)
    }
}
