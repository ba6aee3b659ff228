// Command gin has the health endpoints and a gate with gin.
package main

import (
	"errors"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/service"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func main() { service.Run(serve) }

func serve(checker middleware.Snapshotter, listener net.Listener) error {
	routes, err := middleware.Routes(checker)
	gate, gateErr := middleware.NewGate(checker, middleware.WithAccountInContext())
	if err := errors.Join(err, gateErr); err != nil {
		return err
	}
	engine := gin.New()
	for path, endpoint := range routes {
		engine.Any(path, gin.WrapH(endpoint))
	}
	tasks := engine.Group("/tasks", func(c *gin.Context) {
		request, rejection := gate.Admit(c.Request)
		if rejection != nil {
			rejection.ServeHTTP(c.Writer, c.Request)
			c.Abort()
		}
		c.Request = request
	})
	tasks.GET("", func(c *gin.Context) {
		account, _ := middleware.AccountFrom(c.Request.Context())
		c.String(http.StatusOK, account.ID())
	})
	return http.Serve(listener, engine)
}
