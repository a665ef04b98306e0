/// GPSLogger for Android, "Log to custom URL": one position in names and values, by the template `%ALL` or one of the
/// user's own. Its Dawarich sender is `OverlandPings`'.
/// Source: gpslogger 32994bf, senders/customurl/CustomUrlManager.java.

/// Decodes one position.
public enum GPSLoggerPings {
    /// Replaces the contents of `batch` by the position in `fields`: the names of `%ALL`, and those of the app's first URL
    /// (`lat`, `longitude`, `time`, `s`). The app writes 0.0 for a speed, bearing, altitude or accuracy that it does not
    /// know. Without a place the batch stays empty. `assumedAccuracy`, in metres, stands for an accuracy that the phone does
    /// not know.
    public static func decode(_ fields: QueryFields, into batch: inout PingBatch, assumedAccuracy: Float) {
        batch.removeAll()
        var fix = PhoneFix()
        fix.latitude = fields.degrees("lat", "latitude")
        fix.longitude = fields.degrees("lon", "longitude", "lng")
        // `timestamp` is cut to seconds, the texts have milliseconds.
        fix.recordedAt = fields.text("time", "timeoffset", "timestamp").flatMap { PhoneText.instant($0) }
        fix.accuracy(fields.number("acc", "accuracy"))
        if let speed = fields.nonzero(["spd", "s", "speed"]) {
            fix.speed(speed, .metresPerSecond)
        } else {
            fix.speed(fields.nonzero(["spd_kph"]), .kilometresPerHour)
        }
        fix.heading(fields.nonzero(["dir", "bearing"]))
        fix.altitude(fields.nonzero(["alt", "altitude"]))
        fix.battery(percent: fields.number("batt", "battery"))
        fix.ping.source = fields.text("prov", "provider").flatMap { PingSource($0) }
        if let session = fields.text("starttimestamp"), session.isPrintable { fix.ping.sessionID = session }
        fix.label = fields.label("device", "id", "aid", "ser")
        _ = fix.append(to: &batch, assumedAccuracy: assumedAccuracy)
    }
}
