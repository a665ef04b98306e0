/// How a viewer's session reads the gateway's frames (API.md, "The live WebSocket"): one walk through the JSON, handing
/// on each part as it is met.

extension TrackSession {
    /// Hands one server frame on; false where it is not JSON.
    func read(_ text: UnsafeRawBufferPointer) -> Bool {
        var json = JSONCursor(text)
        var id: Int64?
        var isPartial = false
        var isSubscribed = false
        guard json.enterObject() else { return false }
        while let key = json.nextKey() {
            switch true {
            case key == "positions": readPositions(&json, isSnapshot: false)
            case key == "now": serverTime = json.integer() ?? serverTime
            case key == "cursor": cursor = json.unescapedString() ?? cursor
            case key == "id": id = json.integer()
            case key == "hello": readHello(&json)
            case key == "subscribed":
                isSubscribed = true
                readSubscribed(&json)
            case key == "refused":
                isSubscribed = true
                readMembers(&json) { subject, json in reply.refused[subject] = json.unescapedString() }
            case key == "more": isPartial = json.boolean() ?? false
            case key == "status": readObjects(&json) { readStatus(&$0) }
            case key == "left": readObjects(&json) { readLeft(&$0) }
            case key == "events": readObjects(&json) { readEvent(&$0) }
            case key == "expiring":
                readMembers(&json) { name, json in
                    if name == "in_s" { onExpiring(Int(json.integer() ?? 0)) } else { json.skipValue() }
                }
            case key == "recovered": if json.boolean() == false { onMissed() }
            case key == "error": readError(id, &json)
            default: json.skipValue()
            }
        }
        if json.isBroken { return false }
        if let id, id == loginID {
            loginID = nil
            if !isReady { becomeReady() }
        }
        if isSubscribed, !isPartial {
            let reply = reply
            self.reply = SubscriptionReply()
            onSubscribed(reply)
        }
        return true
    }

    private func readHello(_ json: inout JSONCursor) {
        readMembers(&json) { name, json in
            if name == "now" { serverTime = json.integer() ?? serverTime } else { json.skipValue() }
        }
        if options.login == .firstFrame { sendLogin() } else { becomeReady() }
    }

    private func readPositions(_ json: inout JSONCursor, isSnapshot: Bool) {
        let receivedAt = socket?.receivedAt ?? 0
        guard json.enterArray() else { return }
        while json.nextElement(), let position = LivePosition(&json) {
            // Another gateway's first snapshot may be a moment older than what was seen before.
            guard position.recordedAt >= newest[position.driverID] ?? .min else { continue }
            newest[position.driverID] = position.recordedAt
            onPosition(position, isSnapshot, receivedAt)
        }
    }

    private func readSubscribed(_ json: inout JSONCursor) {
        readMembers(&json) { subject, json in
            readMembers(&json) { name, json in
                switch name {
                case "recovered": reply.recovered[subject] = json.boolean()
                case "positions": readPositions(&json, isSnapshot: true)
                default: json.skipValue()
                }
            }
        }
    }

    private func readStatus(_ json: inout JSONCursor) {
        var status = DriverStatus()
        readMembers(&json) { name, json in
            switch name {
            case "driver_id": status.driverID = json.unescapedString() ?? ""
            case "state": status.state = json.unescapedString() ?? ""
            case "last_recorded_at": status.lastRecordedAt = json.integer()
            case "reason": status.reason = json.unescapedString() ?? ""
            default: json.skipValue()
            }
        }
        onStatus(status)
    }

    private func readLeft(_ json: inout JSONCursor) {
        var (driver, subject) = ("", "")
        readMembers(&json) { name, json in
            switch name {
            case "driver_id": driver = json.unescapedString() ?? ""
            case "subject": subject = json.unescapedString() ?? ""
            default: json.skipValue()
            }
        }
        onLeft(driver, subject)
    }

    private func readEvent(_ json: inout JSONCursor) {
        var (type, subject) = ("", "")
        var at: Int64?
        readMembers(&json) { name, json in
            switch name {
            case "type": type = json.unescapedString() ?? ""
            case "subject": subject = json.unescapedString() ?? ""
            case "at": at = json.integer()
            default: json.skipValue()
            }
        }
        onEvent(type, subject, at)
    }

    private func readError(_ id: Int64?, _ json: inout JSONCursor) {
        var (code, message) = ("", "")
        readMembers(&json) { name, json in
            switch name {
            case "code": code = json.unescapedString() ?? ""
            case "message": message = json.unescapedString() ?? ""
            default: json.skipValue()
            }
        }
        // A refused login is followed by a close, which tells whether to try again.
        if id == loginID { loginID = nil }
        onError(id, code, message)
    }

    private func readMembers(_ json: inout JSONCursor, _ body: (String, inout JSONCursor) -> Void) {
        guard json.enterObject() else { return }
        while let name = json.nextKey() { body(JSONCursor.unescape(name), &json) }
    }

    private func readObjects(_ json: inout JSONCursor, _ body: (inout JSONCursor) -> Void) {
        guard json.enterArray() else { return }
        while json.nextElement(), !json.isBroken { body(&json) }
    }
}
