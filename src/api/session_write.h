/* session_write - the calls that change a session: all become events. Their rows stand in
 * sessions.c. Each looks at the session, sends the event, and shows what came of it. */
#pragma once
#include "api/session_detail.h"

enum { SESSION_ID_TEXT = 37 }; /* of a session that is begun here: a random UUID */

/* Inputs. What is decoded comes first, what the handler keeps until the event is stored after it.
 */
struct session_change {
    struct session_path path;
    struct event event;
    const char *message;
};

struct session_notes {
    struct session_change change;
    struct str notes;
};

struct session_complete {
    struct session_change change;
    int64_t paused_ms;
};

struct session_begin {
    struct str user_id, mission;
    char id[SESSION_ID_TEXT];
    struct event event;
};

struct session_objective {
    struct session_path path;
    struct str objective;
    int32_t self_assessment, confidence;
    struct str notes;
    int64_t spent_ms, clinical_ms;
    bool clinical_given;
    struct event events[2];
};

struct session_told {
    struct str user_id, session;
    int32_t told;
    struct str data;
    int64_t at;
    bool at_given;
    struct event event;
};

extern const struct field start_body[], complete_body[], notes_body[], objective_body[],
    objective_path[], session_event_body[];
extern const struct field start_reply[], changed_reply[], complete_reply[], objective_reply[],
    session_event_reply[];
enum err post_session(struct api_call *c);
enum err patch_pause(struct api_call *c);
enum err patch_resume(struct api_call *c);
enum err patch_complete(struct api_call *c);
enum err patch_notes(struct api_call *c);
enum err post_objective_complete(struct api_call *c);
enum err post_session_event(struct api_call *c);
